// What is shown, and in which order: filter, sort, group; pure.

const keys = new Map();
const MAX_REMEMBERED_KEYS = 50000;

/** Returns a key whose plain comparison is natural: vm2 before vm10, case and accents apart. */
export function naturalKey(text) {
  let key = keys.get(text);
  if (key === undefined) {
    key = text
      .normalize("NFKD")
      .replace(/\p{M}+/gu, "")
      .toLowerCase()
      // The length goes first: a longer number is a larger one. Two digits say it for 99 digits.
      .replace(/0*(\d+)/g, (_, digits) => String(Math.min(digits.length, 99)).padStart(2, "0") + digits);
    if (keys.size >= MAX_REMEMBERED_KEYS) keys.clear();
    keys.set(text, key);
  }
  return key;
}

/**
 * Returns the items sorted by `valueOf`: numbers by size, texts naturally; null and "" last in both directions.
 * Equal ones keep the order in which they came.
 */
export function sorted(items, valueOf, isDescending) {
  const sign = isDescending ? -1 : 1;
  const rows = items.map((item, index) => {
    const value = valueOf(item);
    const isEmpty = value === null || value === undefined || value === "" || Number.isNaN(value);
    return { item, index, isEmpty, value: typeof value === "string" ? naturalKey(value) : value };
  });
  rows.sort((a, b) => {
    if (a.isEmpty || b.isEmpty) return a.isEmpty - b.isEmpty || a.index - b.index;
    if (a.value < b.value) return -sign;
    return a.value > b.value ? sign : a.index - b.index;
  });
  return rows.map((row) => row.item);
}

/** Returns the alternatives of a filter text: split at commas, each a list of words that must all occur. */
export function parseFilter(text) {
  return text
    .toLowerCase()
    .split(",")
    .map((part) => part.split(/\s+/u).filter(Boolean))
    .filter((words) => words.length > 0);
}

/**
 * Returns whether something fits one of the alternatives; no alternative means no filter. A word is looked for in the
 * text, which is in lower case; `field:word` in the beginnings of one field's values, where `fieldsOf()` has that field.
 */
export function fits(haystack, alternatives, fieldsOf = () => ({})) {
  return alternatives.length === 0 || alternatives.some((words) => words.every((word) => fitsWord(haystack, word, fieldsOf)));
}

function fitsWord(haystack, word, fieldsOf) {
  if (!/[.:]/.test(word)) return haystack.includes(word);
  const fields = fieldsOf();
  const [, name, value] = /^([a-z]+):(.*)$/.exec(word) ?? [];
  if (name === undefined || !Object.hasOwn(fields, name)) return haystack.includes(word) || fitsAddress(word, fields.ip);
  // Without a value it asks whether there is any.
  return fields[name].some((one) => one !== "" && one.toLowerCase().startsWith(value));
}

const haystacks = new WeakMap();

/** A bare number means a guest's: only what has a dot or a colon in it is looked for among addresses. */
function fitsAddress(word, addresses = []) {
  return addresses.some((one) => one.toLowerCase().startsWith(word));
}

/** Returns what the filter looks at in a guest. */
export function guestText(guest) {
  let text = haystacks.get(guest);
  if (text === undefined) {
    const parts = [guest.name, guest.vmid, guest.node, guest.instance, statusOf(guest), guest.pool ?? "", ...(guest.tags ?? [])];
    text = parts.join("\n").toLowerCase();
    haystacks.set(guest, text);
  }
  return text;
}

/** Returns what `field:word` of the filter looks at in a guest. */
export function guestFields(guest) {
  return {
    backup: [guest.backupState ?? ""],
    pool: [guest.pool ?? ""],
    tag: guest.tags ?? [],
    node: [guest.node],
    cluster: [guest.instance],
    status: [statusOf(guest)],
    ip: guest.ipAddresses ?? [],
    ha: [guest.haState ?? ""],
  };
}

/** Returns the status of a guest in one word, `unknown` when nothing vouches for the last one any more. */
export function statusOf(guest) {
  return guest.isUnknown ? "unknown" : guest.status;
}

const TYPES = { vm: "qemu", lxc: "lxc" };

/** Returns whether a guest passes the choices of kind and status; "stopped" is everything that does not run. */
export function passes(guest, { type, status }) {
  if (type && guest.type !== TYPES[type]) return false;
  if (!status) return true;
  const isRunning = statusOf(guest) === "running";
  return status === "running" ? isRunning : !isRunning && statusOf(guest) !== "unknown";
}

const GROUPS = {
  node: (guest) => [`${guest.instance}\n${guest.node}`, guest.node, guest.instance],
  instance: (guest) => [guest.instance, guest.instance, ""],
  type: (guest) => [guest.type, guest.type === "lxc" ? "Containers" : "Virtual machines", ""],
  status: (guest) => [statusOf(guest), statusOf(guest), ""],
};

/**
 * Returns the rows of the guest table: `entries` in order (`{key, item}`, or `{key, group}` with the sums of
 * everything under it), and how many guests there are in all (`total`), fit the text (`fitting`) and are left (`shown`).
 */
export function arrange(guests, view, valueOf) {
  const alternatives = parseFilter(view.q);
  const fitting = alternatives.length ? guests.filter((guest) => fits(guestText(guest), alternatives, () => guestFields(guest))) : guests;
  const shown = view.type || view.status ? fitting.filter((guest) => passes(guest, view)) : fitting;
  const ordered = valueOf ? sorted(shown, valueOf, view.sort.startsWith("-")) : shown;
  const counts = { total: guests.length, fitting: fitting.length, shown: shown.length };
  const groupOf = GROUPS[view.group];
  if (!groupOf) return { entries: ordered.map((item) => ({ key: item.id, item })), ...counts };
  return { entries: grouped(ordered, groupOf, view.collapsed), ...counts };
}

function grouped(guests, groupOf, collapsed) {
  const groups = new Map();
  for (const guest of guests) {
    const [id, label, detail] = groupOf(guest);
    let group = groups.get(id);
    if (!group) {
      group = { id, label, detail, items: [], ...NO_SUMS };
      groups.set(id, group);
    }
    group.items.push(guest);
    add(group, guest);
  }
  const entries = [];
  for (const group of sorted([...groups.values()], (one) => `${one.label}\n${one.detail}`, false)) {
    const isOpen = !collapsed.has(group.id);
    const { items, ...sums } = group;
    entries.push({ key: `group:${group.id}`, group: { ...sums, isOpen } });
    if (isOpen) for (const item of items) entries.push({ key: item.id, item });
  }
  return entries;
}

const NO_SUMS = { count: 0, running: 0, unknown: 0, cpus: 0, cpusUsed: 0, memory: 0, memoryUsed: 0 };

/** Adds a guest to the sums; what is allotted counts only while it runs, as only then it is taken. */
function add(sums, guest) {
  sums.count += 1;
  if (guest.isUnknown) sums.unknown += 1;
  if (statusOf(guest) !== "running") return;
  sums.running += 1;
  sums.cpus += guest.cpus;
  sums.cpusUsed += guest.cpu * guest.cpus;
  sums.memory += guest.memory.total;
  sums.memoryUsed += guest.memory.used;
}

/**
 * Returns the entries that stood before, with the figures of now: nothing moves, what is gone stays and says so,
 * what is new waits. `isSame` tells whether the new order differs from the one held.
 */
export function held(before, next, guests) {
  const groups = new Map();
  for (const entry of next) if (entry.group) groups.set(entry.key, entry);
  const entries = before.map((entry) => {
    if (entry.group) return groups.get(entry.key) ?? entry;
    const item = guests.get(entry.key);
    return item ? { key: entry.key, item } : { key: entry.key, item: entry.item, isGone: true };
  });
  const isSame = entries.length === next.length && entries.every((entry, index) => entry.key === next[index].key);
  return { entries, isSame };
}

// The guest table: its columns, its order, and what it says when nothing is left of it.

import { age, bytes, level, percent, printable, rate, UNKNOWN, uptime } from "./format.js";
import { arrange, held, statusOf } from "./order.js";
import { find, icon, make, panelAddress, setData, setIcon, setText } from "./page.js";
import { barCell, fitting, setTitle, textCell, WindowedTable } from "./table.js";
import { backupLook, backupWhy, fullTime, reasonText, sentence, since } from "./words.js";

const COMPACT_PIXELS = 720;
const STATUS_ICONS = { running: "running", stopped: "stopped", paused: "paused", suspended: "paused" };
const KINDS = { qemu: "VM", lxc: "LXC" };

const isRunning = (guest) => statusOf(guest) === "running";
const whileRunning = (valueOf) => (guest) => (isRunning(guest) ? valueOf(guest) : null);
const knownRate = (field) => whileRunning((guest) => (guest[field] < 0 ? null : guest[field]));
const diskIsKnown = (guest) => !guest.isUnknown && !guest.diskReason && guest.disk.used > 0;

/** Why the use of the disks is missing, for the pointer. */
function diskWhy(guest) {
  if (guest.diskReason === "not_read_yet") return "Unknown: only the guest agent of a VM knows how full its disks are";
  return guest.diskReason ? `Unknown: ${reasonText(guest.diskReason)}` : "";
}

/** The clock of the ages in the table: epoch milliseconds, moved on with every picture. */
let shownAt = 0;
const DAY_MS = 24 * 3600 * 1000;
const lastBackup = (guest) => (Date.parse(guest.lastBackup) > 0 ? Date.parse(guest.lastBackup) : null);

/** Sorts by how urgent a state is, within it by the age of the last good backup; none at all is the oldest. */
function backupUrgency(guest) {
  const state = backupLook(guest);
  if (!state) return null;
  const days = lastBackup(guest) === null ? 99_999 : Math.max(0, (Date.now() - lastBackup(guest)) / DAY_MS);
  return state.rank * 100_000 + Math.min(days, 99_999);
}

/** What each column sorts by: null is not known and goes last. */
const VALUES = {
  status: statusOf,
  name: (guest) => guest.name,
  vmid: (guest) => guest.vmid,
  type: (guest) => KINDS[guest.type] ?? guest.type,
  node: (guest) => guest.node,
  cpu: whileRunning((guest) => guest.cpu),
  memory: whileRunning((guest) => guest.memory.usage),
  disk: (guest) => (diskIsKnown(guest) ? guest.disk.usage : null),
  netin: knownRate("networkIn"),
  netout: knownRate("networkOut"),
  diskread: knownRate("diskRead"),
  diskwrite: knownRate("diskWrite"),
  uptime: whileRunning((guest) => guest.uptime),
  tags: (guest) => (guest.tags ?? []).join(" "),
  backup: backupUrgency,
  pool: (guest) => guest.pool ?? "",
};

/** Columns whose largest value is of interest first. */
const LARGEST_FIRST = new Set(["cpu", "memory", "disk", "netin", "netout", "diskread", "diskwrite", "uptime", "backup"]);

/** Which number of a guest the cell of a column draws, as the explanations name it. */
const NUMBERS = { cpu: "cpu", memory: "memory", disk: "disk", netin: "networkIn", netout: "networkOut", diskread: "diskRead", diskwrite: "diskWrite", uptime: "uptime" };

const cpuFigure = (guest) => {
  if (!isRunning(guest)) return { share: null, level: "", text: UNKNOWN, detail: "" };
  const share = guest.cpu * 100;
  const cores = guest.cpus ? `of ${guest.cpus}` : "";
  return { share, level: level(share, "cpu"), text: percent(share), detail: cores };
};

const memoryFigure = (guest) => {
  const detail = guest.memory.total ? bytes(guest.memory.total) : "";
  if (!isRunning(guest) || !guest.memory.total) return { share: null, level: "", text: UNKNOWN, detail };
  const share = guest.memory.usage;
  const why = guest.memoryReason ? sentence(reasonText(guest.memoryReason)) : "";
  return { share, level: level(share, "memory"), text: percent(share), detail, why, isDoubtful: guest.memoryTrust === "low" };
};

const diskFigure = (guest) => {
  const detail = guest.disk.total ? bytes(guest.disk.total) : "";
  if (!diskIsKnown(guest)) return { share: null, level: "", text: UNKNOWN, detail, why: diskWhy(guest) };
  return { share: guest.disk.usage, level: level(guest.disk.usage, "disk"), text: percent(guest.disk.usage), detail };
};

const rateCell = (field) => textCell((guest) => (isRunning(guest) ? rate(guest[field]) : UNKNOWN));
const statusWord = (guest) => (guest.isStale && !guest.isUnknown ? age(guest.oldMinutes) : statusOf(guest));
const nameOf = (guest) => printable(guest.name || `${KINDS[guest.type] ?? "guest"} ${guest.vmid}`);

function statusIcon(guest) {
  return guest.isStale && !guest.isUnknown ? "clock" : (STATUS_ICONS[statusOf(guest)] ?? "unknown");
}

function statusTitle(guest) {
  if (!guest.isStale) return "";
  if (guest.status === "unknown") return "Nobody knows whether it runs: its node tells nothing of it.";
  return `${printable(guest.status)} when it was last read. Nothing newer is known.`;
}

function statusCell() {
  const svg = icon("unknown");
  const word = make("span");
  const content = make("span", { class: "status" }, svg, word);
  const write = (guest) => {
    setIcon(svg, statusIcon(guest));
    setText(word, printable(statusWord(guest)));
    content.dataset.status = guest.isStale ? "stale" : guest.status;
    setTitle(content, statusTitle(guest));
  };
  return { content: [content], write };
}

function nameCell() {
  const text = make("bdi");
  const name = make("a", { class: "name" }, text);
  const lock = icon("lock");
  const locked = make("span", { class: "lock", role: "img" }, lock);
  const write = (guest) => {
    const word = nameOf(guest);
    setText(text, word);
    setTitle(name, word.length > 16 ? word : "");
    const address = panelAddress(guest.id);
    if (name.getAttribute("href") !== address) name.setAttribute("href", address);
    locked.hidden = !guest.lock;
    if (guest.lock) locked.setAttribute("aria-label", `locked: ${printable(guest.lock)}`);
    setTitle(locked, guest.lock ? `Locked: ${printable(guest.lock)}` : "");
  };
  return { content: [name, locked], write };
}

/** The cell of narrow screens: the name, and under it what the missing columns would say. */
const compactNameCell = (hasNode) => () => {
  const [first, second] = [nameCell(), make("span", { class: "under" })];
  const svg = icon("unknown");
  const status = make("span", { class: "status" }, svg);
  const write = (guest) => {
    first.write(guest);
    setIcon(svg, statusIcon(guest));
    status.dataset.status = guest.isStale ? "stale" : guest.status;
    const parts = [statusWord(guest), guest.vmid, KINDS[guest.type] ?? guest.type];
    if (hasNode) parts.push(guest.node);
    if (isRunning(guest)) parts.push(uptime(guest.uptime));
    const backup = backupLook(guest);
    if (backup && backup.tone !== "ok") parts.splice(1, 0, `backup ${backup.word}`);
    setText(second, printable(parts.join(" · ")));
  };
  return { content: [make("span", { class: "first" }, status, ...first.content), second], write };
};

function tagsCell() {
  const list = make("span", { class: "tags" });
  let shown = "";
  const write = (guest) => {
    const tags = (guest.tags ?? []).map(printable);
    const key = tags.join("\n");
    if (key === shown) return;
    shown = key;
    list.replaceChildren(...tags.map((tag) => make("bdi", { class: "tag" }, tag)));
    setTitle(list, tags.length > 1 ? tags.join(", ") : "");
  };
  return { content: [list], write };
}

function backupCell() {
  const svg = icon("unknown");
  const [word, old] = [make("span"), make("span", { class: "quiet" })];
  const content = make("span", { class: "status" }, svg, word, old);
  const write = (guest) => {
    const state = backupLook(guest);
    setIcon(svg, state?.icon ?? "clock");
    setText(word, state?.word ?? "…");
    setText(old, state && lastBackup(guest) !== null ? since(lastBackup(guest), shownAt) : "");
    setData(content, "tone", state?.tone ?? "");
    const last = lastBackup(guest) === null ? "" : ` Last good backup: ${fullTime(guest.lastBackup)}.`;
    setTitle(content, `${backupWhy(guest)}${last}`);
  };
  return { content: [content], write };
}

const COLUMNS = [
  { id: "status", label: "Status", width: 100, rank: 1, build: statusCell },
  { id: "name", label: "Name", width: 150, rank: 0, isHeader: true, build: nameCell },
  { id: "vmid", label: "ID", width: 60, rank: 4, build: textCell((guest) => String(guest.vmid)) },
  { id: "type", label: "Kind", width: 52, rank: 8, build: textCell((guest) => KINDS[guest.type] ?? printable(guest.type)) },
  { id: "node", label: "Node", width: 104, rank: 6, build: textCell((guest) => printable(guest.node), (guest) => printable(`${guest.node} (${guest.instance})`)) },
  { id: "cpu", label: "CPU", width: 122, rank: 2, build: barCell(cpuFigure) },
  { id: "memory", label: "Memory", width: 148, rank: 3, build: barCell(memoryFigure) },
  { id: "disk", label: "Disk", width: 148, rank: 5, build: barCell(diskFigure) },
  { id: "backup", label: "Backup", width: 128, rank: 5.5, build: backupCell },
  { id: "netin", label: "Net in", width: 84, rank: 9, build: rateCell("networkIn") },
  { id: "netout", label: "Net out", width: 84, rank: 10, build: rateCell("networkOut") },
  { id: "diskread", label: "Read", title: "Disk read", width: 84, rank: 12, build: rateCell("diskRead") },
  { id: "diskwrite", label: "Write", title: "Disk write", width: 84, rank: 13, build: rateCell("diskWrite") },
  { id: "uptime", label: "Uptime", width: 84, rank: 7, build: textCell((guest) => (isRunning(guest) ? uptime(guest.uptime) : UNKNOWN)) },
  { id: "tags", label: "Tags", width: 96, rank: 11, build: tagsCell },
];

const compact = (hasNode) => [
  { id: "name", label: "Name", width: 0, rank: 0, isHeader: true, build: compactNameCell(hasNode) },
  { id: "cpu", label: "CPU", width: 0, rank: 0, build: barCell(cpuFigure) },
  { id: "memory", label: "Memory", width: 0, rank: 0, build: barCell(memoryFigure) },
];

const [COMPACT, COMPACT_BY_NODE] = [compact(true), compact(false)];

/** The columns with small lines, made by `trends.js`: beside the bar of the CPU, or on a narrow screen in its place. */
function withTrends({ trendCell }) {
  const column = { id: "trend", label: "Last hour", title: "CPU of the last hour", width: 104, rank: 2.5, isPlain: true, build: trendCell() };
  const build = () => {
    const [figure, trend] = [barCell(cpuFigure)(), trendCell(true)()];
    figure.content[0].append(...trend.content);
    return { content: figure.content, write: (guest) => [figure, trend].forEach((part) => part.write(guest)) };
  };
  const small = (columns) => columns.map((one) => (one.id === "cpu" ? { ...one, build } : one));
  const place = COLUMNS.findIndex(({ id }) => id === "cpu") + 1;
  return { columns: [...COLUMNS.slice(0, place), column, ...COLUMNS.slice(place)], compact: small(COMPACT), compactByNode: small(COMPACT_BY_NODE) };
}

const WITHOUT_TRENDS = { columns: COLUMNS, compact: COMPACT, compactByNode: COMPACT_BY_NODE };

/** Returns whether a column of this name exists: addresses come from outside. */
export function isColumn(id) {
  return Object.hasOwn(VALUES, id);
}

export class GuestTable {
  #table;
  #choose;
  #entries = [];
  #shown = null;
  #hasPointer = false;
  #columns = WITHOUT_TRENDS;

  /** `choose(changes)` is called with the parts of the view that a person has changed. */
  constructor(choose) {
    this.#choose = choose;
    this.#table = new WindowedTable(find("guests"), {
      onSort: (id) => choose({ sort: this.#nextSort(id) }),
      makeGroup: () => this.#makeGroup(),
    });
    this.#fillSortPick();
    const [body, chip] = [this.#table.body, find("resort")];
    body.addEventListener("pointerenter", (event) => (this.#hasPointer = event.pointerType === "mouse"));
    // The chip that says that the order is held may appear under the very pointer that holds it.
    body.addEventListener("pointerleave", (event) => chip.contains(event.relatedTarget) || this.#release());
    chip.addEventListener("pointerleave", (event) => body.contains(event.relatedTarget) || this.#release());
    body.addEventListener("focusout", () => this.#release());
    body.addEventListener("click", (event) => this.#explain(event));
    chip.addEventListener("click", () => {
      this.#hasPointer = false;
      choose({});
    });
    find("clear").addEventListener("click", () => choose({ q: "", type: "", status: "" }));
    addEventListener("resize", () => this.#shown && this.#setColumns(this.#shown.view), { passive: true });
  }

  /** Shows the small lines of `trends.js`, or none (null); they are there with the next picture. */
  setTrends(trends) {
    this.#columns = trends ? withTrends(trends) : WITHOUT_TRENDS;
  }

  /** Whether a pointer or the focus is on the rows, so that none of them may move. */
  get isHeld() {
    return this.#hasPointer || this.#table.body.contains(document.activeElement);
  }

  /** The pixels from the top of the window to the rows. */
  get top() {
    return this.#table.body.getBoundingClientRect().top;
  }

  /** Shows the guests; `isWanted` says that a person asked for this order, which a pointer does not stop. */
  show(guests, view, isWanted, now = shownAt) {
    shownAt = now;
    this.#shown = { guests, view };
    this.#setColumns(view);
    this.#table.setSort(view.sort);
    const next = arrange(guests, view, VALUES[view.sort.replace("-", "")]);
    let waits = false;
    if (this.isHeld && !isWanted) {
      const byId = new Map(guests.map((guest) => [guest.id, guest]));
      const kept = held(this.#entries, next.entries, byId);
      this.#entries = kept.entries;
      waits = !kept.isSame;
    } else {
      this.#entries = next.entries;
    }
    this.#table.setEntries(this.#entries);
    this.#say(next, view, waits);
    this.#table.draw();
  }

  /** A click on a figure asks where it comes from; by keyboard the panel of the guest leads there. */
  #explain(event) {
    const cell = event.target.closest("td");
    const column = cell?.className.replace("c-", "");
    const key = cell?.parentElement.dataset.key;
    if (event.target.closest("a, button") || !getSelection().isCollapsed || !key) return;
    if (column === "backup") location.hash = panelAddress(key);
    else if (Object.hasOwn(NUMBERS, column)) location.hash = panelAddress(key, NUMBERS[column]);
  }

  #release() {
    this.#hasPointer = false;
    // The focus is still on its way to the next element.
    setTimeout(() => this.#shown && !this.isHeld && this.show(this.#shown.guests, this.#shown.view, false));
  }

  #setColumns(view) {
    const width = this.#table.width;
    const isCompact = width < COMPACT_PIXELS - 32;
    find("guests").classList.toggle("compact", isCompact);
    if (isCompact) {
      this.#table.setColumns(view.group === "node" ? this.#columns.compactByNode : this.#columns.compact);
      return;
    }
    // In groups by node the name of the node stands above its rows already.
    this.#table.setColumns(fitting(this.#columns.columns.filter((column) => column.id !== "node" || view.group !== "node"), width));
  }

  #nextSort(id) {
    const now = this.#shown?.view.sort ?? "";
    if (now === id) return `-${id}`;
    if (now === `-${id}`) return id;
    return LARGEST_FIRST.has(id) ? `-${id}` : id;
  }

  #fillSortPick() {
    const pick = find("sort");
    for (const { id, label, title } of COLUMNS) {
      const value = LARGEST_FIRST.has(id) ? `-${id}` : id;
      pick.append(make("option", { value }, title ?? label));
    }
    pick.addEventListener("change", () => this.#choose({ sort: pick.value }));
  }

  #makeGroup() {
    const chevron = icon("chevron");
    const label = make("bdi", { class: "group-name" });
    const detail = make("bdi", { class: "quiet" });
    const counts = make("span", { class: "quiet" });
    const sums = make("span", { class: "group-sums quiet" });
    const button = make("button", { type: "button" }, chevron, label, detail, counts);
    let id = "";
    button.addEventListener("click", () => {
      const collapsed = new Set(this.#shown.view.collapsed);
      if (!collapsed.delete(id)) collapsed.add(id);
      this.#choose({ collapsed });
    });
    const write = (group) => {
      id = group.id;
      setText(label, printable(group.label));
      setText(detail, group.detail === group.label ? "" : printable(group.detail));
      setText(counts, countsOf(group));
      setText(sums, sumsOf(group));
      button.setAttribute("aria-expanded", String(group.isOpen));
    };
    return { content: make("div", { class: "group-row" }, button, sums), write };
  }

  #say({ total, fitting: fits, shown }, view, waits) {
    const isFiltered = Boolean(view.q || view.type || view.status);
    setText(find("count"), isFiltered ? `${shown} of ${total}` : `${total}`);
    find("clear").hidden = !isFiltered;
    const chip = find("resort");
    chip.hidden = !waits;
    setText(chip.lastElementChild, "Order held while you point at it. Re-sort");
    const note = find("no-rows");
    note.hidden = shown > 0;
    if (shown === 0) setText(note, explain(total, fits, view));
  }
}

function countsOf({ count, running, unknown }) {
  if (unknown === count) return `${count} unknown`;
  return `${running} of ${count} running`;
}

function sumsOf({ running, cpus, cpusUsed, memory, memoryUsed }) {
  if (!running) return "";
  const cores = cpusUsed >= 10 ? Math.round(cpusUsed) : cpusUsed.toFixed(1);
  return `CPU ${cores} of ${cpus} cores · memory ${bytes(memoryUsed)} of ${bytes(memory)}`;
}

/** Returns why no guest is left, and which choice took them away. */
export function explain(total, fitting, view) {
  if (total === 0) return "No guest is known yet.";
  const choices = [];
  if (view.type) choices.push(view.type === "lxc" ? "only containers" : "only virtual machines");
  if (view.status) choices.push(view.status === "running" ? "only running ones" : "only stopped ones");
  const chosen = choices.join(" and ");
  if (!view.q) return `None of the ${total} guests is left with ${chosen}.`;
  if (fitting === 0) return `None of the ${total} guests has “${printable(view.q)}” in its name, ID, node, pool, tags, addresses or status.`;
  return `“${printable(view.q)}” fits ${fitting} of ${total} guests, but none with ${chosen}.`;
}

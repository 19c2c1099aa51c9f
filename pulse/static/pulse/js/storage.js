// The storages of the PVE nodes.

import { concernsOf, makeMark } from "./concerns.js";
import { age, bytes, level, percent, printable, UNKNOWN } from "./format.js";
import { fits, parseFilter, sorted } from "./order.js";
import { find, icon, make, panelAddress, setIcon, setText } from "./page.js";
import { isCached, minutesSince } from "./state.js";
import { barCell, fitting, textCell, WindowedTable } from "./table.js";

const COMPACT_PIXELS = 720;
const KNOWN = new Set(["available"]);
const ICONS = { available: "running", inactive: "stopped", disabled: "stopped", unknown: "unknown", unavailable: "offline" };

const isKnown = (storage) => KNOWN.has(storage.status) && storage.total > 0;
const placeOf = (storage) => (storage.shared ? "shared" : storage.node);
const isOld = (storage) => storage.isStale && storage.status !== "unknown";
const statusOf = (storage) => (isOld(storage) ? "stale" : storage.status);
const wordOf = (storage) => (isOld(storage) ? age(storage.oldMinutes) : storage.status);

const VALUES = {
  status: statusOf,
  name: (storage) => storage.name,
  node: placeOf,
  instance: (storage) => storage.instance,
  type: (storage) => storage.type,
  content: (storage) => storage.content,
  usage: (storage) => (isKnown(storage) ? storage.usage : null),
  used: (storage) => (isKnown(storage) ? storage.used : null),
  free: (storage) => (isKnown(storage) ? storage.free : null),
  total: (storage) => (isKnown(storage) ? storage.total : null),
};

const LARGEST_FIRST = new Set(["usage", "used", "free", "total"]);
/** The columns whose figure can be explained under their own name. */
const NUMBERS = LARGEST_FIRST;

/** Returns how full a storage or datastore is; nothing of one that cannot be read. */
export const usageFigure = (storage) => {
  if (!isKnown(storage)) return { share: null, level: "", text: UNKNOWN, detail: "" };
  const detail = isCached(storage) ? "of the cache" : "";
  return { share: storage.usage, level: detail ? "" : level(storage.usage, "disk"), text: percent(storage.usage), detail };
};

/** Returns what makes the cell of one of its sizes. */
export const sizeCell = (field) => textCell((storage) => (isKnown(storage) ? bytes(storage[field]) : UNKNOWN));

/** Who sees a storage: its node, or all of a shared one, which stands in the list once. */
function placeText(storage) {
  if (!storage.shared) return printable(storage.node);
  const nodes = storage.nodes ?? [];
  if (nodes.length === 1) return `${printable(nodes[0])} (shared)`;
  return nodes.length ? `shared by ${nodes.length} nodes` : "shared";
}

function statusCell() {
  const svg = icon("unknown");
  const word = make("span");
  const content = make("span", { class: "status" }, svg, word);
  const write = (storage) => {
    setIcon(svg, isOld(storage) ? "clock" : (ICONS[storage.status] ?? "unknown"));
    setText(word, printable(wordOf(storage)));
    content.dataset.status = storage.isStale ? "stale" : storage.status;
  };
  return { content: [content], write };
}

/** The name of a storage, which opens its panel. */
function nameCell() {
  const text = make("bdi");
  const name = make("a", { class: "name" }, text);
  const mark = makeMark();
  const write = (storage) => {
    setText(text, printable(storage.name));
    name.setAttribute("href", panelAddress(storage.id));
    mark.write(storage.concerns);
  };
  return { content: [name, mark.root], write };
}

function compactNameCell() {
  const name = nameCell();
  const under = make("span", { class: "under" });
  const write = (storage) => {
    name.write(storage);
    const size = isKnown(storage) ? ` · ${bytes(storage.total)}` : "";
    setText(under, `${printable(wordOf(storage))}${size} · ${placeText(storage)} · ${printable(storage.type)}`);
  };
  return { content: [make("span", { class: "first" }, ...name.content), under], write };
}

const COLUMNS = [
  { id: "status", label: "Status", width: 104, rank: 1, build: statusCell },
  { id: "name", label: "Name", width: 160, rank: 0, isHeader: true, build: nameCell },
  { id: "node", label: "Node", width: 150, rank: 2, build: textCell(placeText, (storage) => printable((storage.nodes ?? []).join(", "))) },
  { id: "instance", label: "Cluster", width: 120, rank: 7, build: textCell((storage) => printable(storage.instance)) },
  { id: "type", label: "Kind", width: 96, rank: 6, build: textCell((storage) => printable(storage.type)) },
  { id: "content", label: "Content", width: 190, rank: 9, build: textCell((storage) => printable(storage.content.replaceAll(",", ", ")), (storage) => printable(storage.content)) },
  { id: "usage", label: "Usage", width: 220, rank: 3, build: barCell(usageFigure) },
  { id: "used", label: "Used", width: 92, rank: 4, build: sizeCell("used") },
  { id: "free", label: "Free", width: 92, rank: 8, build: sizeCell("free") },
  { id: "total", label: "Total", width: 100, rank: 5, build: sizeCell("total") },
];

const COMPACT = [
  { id: "name", label: "Name", width: 0, rank: 0, isHeader: true, build: compactNameCell },
  { id: "usage", label: "Usage", width: 0, rank: 0, build: barCell(usageFigure) },
];

/** Returns whether a column of this name exists: addresses come from outside. */
export function isColumn(id) {
  return Object.hasOwn(VALUES, id);
}

export class StorageTable {
  #table;
  #known = new Map();
  #sort = "";

  /** `choose(changes)` is called with the parts of the view that a person has changed. */
  constructor(choose) {
    this.#table = new WindowedTable(find("storages"), {
      onSort: (id) => choose({ order: this.#nextSort(id) }),
      makeGroup: () => ({ content: "", write() {} }),
    });
    this.#table.body.addEventListener("click", (event) => {
      const cell = event.target.closest("td");
      const column = cell?.className.replace("c-", "");
      if (event.target.closest("a") || !getSelection().isCollapsed || !NUMBERS.has(column)) return;
      location.hash = panelAddress(cell.parentElement.dataset.key, column);
    });
  }

  /** Shows the storages that fit the filter, in the order of the view. */
  show(state, view, now) {
    this.#sort = view.order;
    const isCompact = this.#table.width < COMPACT_PIXELS - 32;
    find("storages").classList.toggle("compact", isCompact);
    this.#table.setColumns(isCompact ? COMPACT : fitting(COLUMNS, this.#table.width));
    this.#table.setSort(view.order);
    const all = this.#marked(state, now);
    const alternatives = parseFilter(view.q);
    const shown = all.filter((storage) => fits(textOf(storage), alternatives));
    const ordered = sorted(shown, VALUES[view.order.replace("-", "")], view.order.startsWith("-"));
    this.#table.setEntries(ordered.map((item) => ({ key: item.id, item })));
    this.#say(all.length, shown.length, view);
    this.#table.draw();
  }

  #nextSort(id) {
    if (this.#sort === id) return `-${id}`;
    if (this.#sort === `-${id}`) return id;
    return LARGEST_FIRST.has(id) ? `-${id}` : id;
  }

  /** Returns the storages with `isStale` and `concerns`; unchanged ones stay the same objects, so that their rows are not written. */
  #marked(state, now) {
    const known = new Map();
    const seen = new Map();
    // A storage does not say when it was read: with the nodes of its connection.
    for (const { instance, lastSeen } of state.nodes.values()) {
      if (!(seen.get(instance) > lastSeen)) seen.set(instance, lastSeen);
    }
    for (const wire of state.storage.values()) {
      const isStale = wire.stale === true || state.connectionHealth[wire.instance] === false;
      const before = this.#known.get(wire.id);
      const oldMinutes = isStale ? minutesSince(seen.get(wire.instance), now) : null;
      const concerns = concernsOf(state, wire.id);
      const isSame = before?.wire === wire && before.isStale === isStale && before.oldMinutes === oldMinutes && before.concerns === concerns;
      known.set(wire.id, isSame ? before : { ...wire, wire, isStale, oldMinutes, concerns });
    }
    this.#known = known;
    return [...known.values()];
  }

  #say(total, shown, view) {
    setText(find("storage-count"), view.q ? `${shown} of ${total}` : `${total}`);
    const note = find("no-storages");
    note.hidden = shown > 0;
    if (shown > 0) return;
    if (total === 0) setText(note, "No storage is listed: there is none, none is to be monitored, or the account lacks the privilege Datastore.Audit, without which Proxmox leaves them out.");
    else setText(note, `None of the ${total} storages has “${printable(view.q)}” in its name, node, kind or content.`);
  }
}

function textOf(storage) {
  return [storage.name, placeOf(storage), storage.instance, storage.type, storage.content, statusOf(storage)].join("\n").toLowerCase();
}

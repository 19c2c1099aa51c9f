// A real table of thousands of rows of which only the visible ones exist. It is written once per animation frame,
// cell by cell, and only where something changed.

import { icon, make, makeBar, setData, setIcon } from "./page.js";

/** Rows drawn beyond both edges, so that a short scroll shows no gap. */
const MARGIN = 10;

export class WindowedTable {
  #table;
  #head;
  #body;
  #above;
  #below;
  #columns = [];
  #entries = [];
  #rows = new Map();
  /** In pixels, 0 until it is read: asking costs a layout. */
  #rowHeight = 0;
  #isPrinting = false;
  #frame = 0;
  #onSort;
  #makeGroup;

  /**
   * `onSort(column id)` is called for a press on a header; `makeGroup()` returns `{content, write(group)}` for
   * the header row of a group.
   */
  constructor(table, { onSort, makeGroup }) {
    this.#table = table;
    this.#onSort = onSort;
    this.#makeGroup = makeGroup;
    this.#head = table.createTHead();
    [this.#above, this.#body, this.#below] = [spacer(), make("tbody"), spacer()];
    table.append(this.#above.body, this.#body, this.#below.body);
    addEventListener("scroll", () => this.#request(), { passive: true });
    addEventListener("resize", () => this.#resize(), { passive: true });
    addEventListener("beforeprint", () => this.#print(true));
    addEventListener("afterprint", () => this.#print(false));
  }

  /** The part of the table whose rows must not move under a pointer. */
  get body() {
    return this.#body;
  }

  /** The pixels that the columns may take. */
  get width() {
    return this.#table.parentElement.clientWidth;
  }

  /** Makes the table have these columns; `build()` of each returns `{content, write(item)}` for one cell; by one that `isPlain` nothing is sorted. */
  setColumns(columns) {
    const isSame = columns.length === this.#columns.length && columns.every((column, index) => column === this.#columns[index]);
    if (isSame) return;
    this.#columns = columns;
    const focused = this.#head.contains(document.activeElement) ? document.activeElement.dataset.column : "";
    this.#head.replaceChildren(make("tr", {}, ...columns.map((column) => this.#headerCell(column))));
    if (focused) this.#head.querySelector(`[data-column="${focused}"]`)?.focus();
    this.#table.querySelector("colgroup")?.remove();
    this.#table.caption.after(make("colgroup", {}, ...columns.map((column) => make("col", { class: `c-${column.id}` }))));
    for (const row of this.#rows.values()) row.root.remove();
    this.#rows.clear();
    this.#request();
  }

  /** Shows by which column the rows are sorted: its id, with "-" before it for descending; "" for none. */
  setSort(sort) {
    const [id, direction] = sort.startsWith("-") ? [sort.slice(1), "descending"] : [sort, "ascending"];
    for (const cell of this.#head.querySelectorAll("th")) {
      const isThis = cell.dataset.sortable === id && id !== "";
      if (isThis) cell.setAttribute("aria-sort", direction);
      else cell.removeAttribute("aria-sort");
      const arrow = cell.querySelector(".icon");
      if (arrow) setIcon(arrow, isThis && direction === "descending" ? "down" : "up");
    }
  }

  /** Makes these the rows: `{key, item}` or `{key, group}`, in their order. */
  setEntries(entries) {
    this.#entries = entries;
    this.#table.setAttribute("aria-rowcount", String(entries.length + 1));
    this.#request();
  }

  /** Writes the rows into the page now instead of with the next frame. */
  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#table.offsetParent === null) return; // its panel is not shown
    const [first, last] = this.#window();
    this.#above.set(first * this.#rowHeight);
    this.#below.set((this.#entries.length - last) * this.#rowHeight);
    this.#write(first, last);
  }

  #request() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.draw());
  }

  #resize() {
    this.#rowHeight = 0;
    this.#request();
  }

  #window() {
    const count = this.#entries.length;
    if (this.#isPrinting) return [0, count];
    if (!this.#rowHeight) this.#rowHeight = parseFloat(getComputedStyle(this.#table).getPropertyValue("--row-height"));
    const top = this.#above.body.getBoundingClientRect().top;
    const first = Math.floor(-top / this.#rowHeight) - MARGIN;
    const last = Math.ceil((innerHeight - top) / this.#rowHeight) + MARGIN;
    return [Math.min(Math.max(0, first), count), Math.max(0, Math.min(count, last))];
  }

  #write(first, last) {
    const wanted = new Set();
    for (let index = first; index < last; index += 1) wanted.add(this.#entries[index].key);
    const spare = new Map();
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      this.#rows.delete(key);
      if (row.isGroup) row.root.remove();
      else spare.set(row.root, row);
    }
    let place = this.#body.firstElementChild;
    for (let index = first; index < last; index += 1) {
      const entry = this.#entries[index];
      let row = this.#rows.get(entry.key);
      if (!row || row.isGroup !== Boolean(entry.group)) {
        row?.root.remove();
        row = entry.group ? this.#groupRow() : this.#spareRow(spare, place);
        this.#rows.set(entry.key, row);
      }
      row.write(entry, index);
      // A spare row may stand anywhere, also where this one belongs.
      while (place && place !== row.root && !this.#isUsed(place, wanted)) place = place.nextElementSibling;
      if (row.root === place) place = place.nextElementSibling;
      else this.#body.insertBefore(row.root, place);
    }
    for (const root of spare.keys()) root.remove();
  }

  /** Returns a row to write: best the one that stands at the place already, as moving costs more than writing. */
  #spareRow(spare, place) {
    const row = spare.get(place) ?? spare.values().next().value ?? this.#itemRow();
    spare.delete(row.root);
    return row;
  }

  #isUsed(element, wanted) {
    return wanted.has(element.dataset.key);
  }

  #headerCell(column) {
    if (column.isPlain) return make("th", { scope: "col", class: `c-${column.id}`, title: column.title }, make("span", { class: "plain-head" }, column.label));
    const label = make("span", {}, column.label);
    const button = make(
      "button",
      { type: "button", "data-column": column.id, title: column.title },
      label,
      icon("up"),
    );
    button.addEventListener("click", () => this.#onSort(column.id));
    return make("th", { scope: "col", class: `c-${column.id}`, "data-sortable": column.id }, button);
  }

  #itemRow() {
    const root = make("tr");
    const cells = this.#columns.map((column) => {
      const cell = column.build();
      root.append(make(column.isHeader ? "th" : "td", { class: `c-${column.id}`, scope: column.isHeader && "row" }, ...cell.content));
      return cell;
    });
    let shown = null;
    const write = ({ key, item, isGone }, index) => {
      setIndex(root, key, index);
      const state = isGone ? "gone" : item.isStale ? "stale" : "";
      setData(root, "state", state);
      if (item === shown) return;
      shown = item;
      for (const cell of cells) cell.write(item);
    };
    return { root, isGroup: false, write };
  }

  #groupRow() {
    const group = this.#makeGroup();
    const cell = make("th", { scope: "rowgroup", colspan: String(this.#columns.length) }, group.content);
    const root = make("tr", { class: "group" }, cell);
    const write = (entry, index) => {
      setIndex(root, entry.key, index);
      group.write(entry.group);
    };
    return { root, isGroup: true, write };
  }

  #print(isPrinting) {
    this.#isPrinting = isPrinting;
    this.draw();
  }
}

/** Rows above and below the visible ones: one empty body of the height that they would have, also of none: its place counts. */
function spacer() {
  const cell = make("td");
  const body = make("tbody", { class: "spacer", "aria-hidden": "true" }, make("tr", {}, cell));
  let height = -1;
  return {
    body,
    set(pixels) {
      if (pixels !== height) cell.style.setProperty("height", `${pixels}px`);
      height = pixels;
    },
  };
}

function setIndex(root, key, index) {
  if (root.dataset.key !== key) root.dataset.key = key;
  const text = String(index + 2); // the header is row 1
  if (root.getAttribute("aria-rowindex") !== text) root.setAttribute("aria-rowindex", text);
}

/** Returns a column's cell that is a text. */
export function textCell(textOf, titleOf) {
  return () => {
    const text = document.createTextNode("");
    const span = make("span", { class: "text" }, text);
    let shown = null;
    const write = (item) => {
      const next = textOf(item);
      if (next === shown) return;
      text.nodeValue = shown = next;
      if (titleOf) setTitle(span, titleOf(item));
    };
    return { content: [span], write };
  };
}

/**
 * Returns a column's cell with a bar, a number and a quieter text: `figureOf(item)` is `{share, level, text, detail,
 * why, isDoubtful}`; without a share there is no bar. `why` says to a pointer why it is missing, or how far it is to be
 * trusted; a doubtful one is marked as well.
 */
export function barCell(figureOf) {
  return () => {
    const bar = makeBar();
    const [text, detail, reason] = ["", "", ""].map((empty) => document.createTextNode(empty));
    const spoken = make("span", { class: "aside" }, reason);
    const number = make("span", { class: "number" }, text);
    let doubt = null;
    let why = "";
    const write = (item) => {
      const figure = figureOf(item);
      if ((figure.why ?? "") !== why) {
        why = figure.why ?? "";
        setTitle(number, why);
        // The pointer has the title, the reader this.
        reason.nodeValue = why;
      }
      if (figure.isDoubtful) {
        if (!doubt) number.prepend((doubt = make("span", { class: "doubt", role: "note", tabindex: "0" }, "≈")));
        setData(doubt, "words", `Not to be trusted: ${figure.why}`);
      } else if (doubt) {
        doubt.remove();
        doubt = null;
      }
      bar.set(figure.share, figure.level);
      bar.bar.hidden = figure.share === null;
      setData(number, "level", figure.level);
      if (text.nodeValue !== figure.text) text.nodeValue = figure.text;
      if (detail.nodeValue !== figure.detail) detail.nodeValue = figure.detail;
    };
    return { content: [make("span", { class: "figure" }, number, bar.bar, make("span", { class: "detail" }, detail), spoken)], write };
  };
}

/** Makes this the whole text that a pointer shows, where the drawn one may be cut. */
export function setTitle(element, text) {
  if (text) element.title = text;
  else element.removeAttribute("title");
}

/**
 * Returns the columns that fit a width: those with the smallest `rank` first, in their own order. `width` of a
 * column is in pixels.
 */
export function fitting(columns, width) {
  let left = width;
  const kept = new Set();
  for (const column of [...columns].sort((a, b) => a.rank - b.rank)) {
    if (column.rank > 0 && left < column.width) continue;
    kept.add(column);
    left -= column.width;
  }
  return columns.filter((column) => kept.has(column));
}

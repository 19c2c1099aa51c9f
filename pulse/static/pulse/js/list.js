// A long list in the windowed table: filter, sort, and rows that stay where they are under a pointer.

import { UNKNOWN } from "./format.js";
import { fits, held, parseFilter, sorted } from "./order.js";
import { badge, icon, make, panelAddress, setText } from "./page.js";
import { fitting, setTitle, textCell, WindowedTable } from "./table.js";

const COMPACT_PIXELS = 688;

/**
 * A part of a view is what a list shows: `columns` and `compact` for narrow screens, `values` by column to sort by,
 * `largest` the columns whose largest value comes first, `sort` the order at first, `words(row)` what the filter looks
 * at and `fields(row)` what `field:word` does.
 */
export class ListTable {
  #root;
  #table;
  #onSort;
  #part = null;
  #sort = "";
  #entries = [];
  #hasPointer = false;
  #texts = new WeakMap();
  /** From what the entries were made last: nothing of it has changed, so nothing is done. */
  #made = [];
  #width = 0;
  #shown = 0;

  /** `onSort(sort)` is called with the order that a person asked for. */
  constructor(root, onSort) {
    this.#root = root;
    this.#onSort = onSort;
    this.#table = new WindowedTable(root, {
      onSort: (id) => this.#onSort(this.#next(id)),
      makeGroup: () => ({ content: "", write() {} }),
    });
    this.#table.body.addEventListener("pointerenter", (event) => (this.#hasPointer = event.pointerType === "mouse"));
    this.#table.body.addEventListener("pointerleave", () => (this.#hasPointer = false));
  }

  /** Shows the rows of a part that fit the filter; returns how many do. */
  show(part, rows, { q, sort, isWanted }) {
    const made = [part, rows, q, sort];
    if (!isWanted && made.every((one, index) => one === this.#made[index]) && this.#width === innerWidth) return this.#shown;
    [this.#made, this.#width] = [made, innerWidth];
    const isNew = part !== this.#part;
    this.#part = part;
    this.#sort = this.#known(sort);
    const isCompact = this.#table.width < COMPACT_PIXELS;
    this.#root.classList.toggle("compact", isCompact);
    this.#table.setColumns(isCompact ? part.compact : fitting(part.columns, this.#table.width));
    this.#table.setSort(this.#sort);
    const alternatives = parseFilter(q);
    const shown = alternatives.length ? rows.filter((row) => fits(this.#text(row), alternatives, () => part.fields(row))) : rows;
    const ordered = sorted(shown, part.values[this.#sort.replace("-", "")], this.#sort.startsWith("-"));
    const next = ordered.map((item) => ({ key: item.id, item }));
    const isHeld = !isNew && !isWanted && (this.#hasPointer || this.#table.body.contains(document.activeElement));
    if (isHeld) this.#made = []; // the order that is due waits
    this.#entries = isHeld ? held(this.#entries, next, new Map(rows.map((row) => [row.id, row]))).entries : next;
    this.#table.setEntries(this.#entries);
    this.#table.draw();
    this.#shown = shown.length;
    return this.#shown;
  }

  #known(sort) {
    return Object.hasOwn(this.#part.values, sort.replace("-", "")) ? sort : this.#part.sort;
  }

  #next(id) {
    if (this.#sort === id) return `-${id}`;
    if (this.#sort === `-${id}`) return id;
    return this.#part.largest.has(id) ? `-${id}` : id;
  }

  #text(row) {
    let text = this.#texts.get(row);
    if (text === undefined) {
      text = this.#part.words(row).join("\n").toLowerCase();
      this.#texts.set(row, text);
    }
    return text;
  }
}

/** Returns a cell with the shape and the word of a state: `stateOf(row)` is `{word, icon, tone}`, `titleOf(row)` says more. */
export function stateCell(stateOf, titleOf = () => "") {
  return () => {
    const content = make("span", { class: "state" });
    const write = (row) => {
      const state = stateOf(row);
      content.replaceChildren(state.icon ? badge(state) : make("span", { class: "quiet" }, state.word));
      setTitle(content, titleOf(row));
    };
    return { content: [content], write };
  };
}

/** Returns a cell with a name that opens the panel of a guest, or is plain text where no guest is known. */
export function linkCell(textOf, idOf) {
  return () => {
    const plain = make("bdi", { class: "name" });
    const link = make("a", { class: "name" }, make("bdi"));
    const write = (row) => {
      const [text, id] = [textOf(row), idOf(row)];
      plain.hidden = Boolean(id);
      link.hidden = !id;
      setText(plain, id ? "" : text || UNKNOWN);
      setText(link.firstElementChild, id ? text : "");
      if (id) link.href = panelAddress(id);
      else link.removeAttribute("href");
      setTitle(id ? link : plain, text.length > 18 ? text : "");
    };
    return { content: [plain, link], write };
  };
}

/** Returns a cell of small marks, each a word with a shape: `marksOf(row)` is a list of `[icon, word, tone]`. */
export function marksCell(marksOf) {
  return () => {
    const list = make("span", { class: "marks" });
    let shown = null;
    const write = (row) => {
      const marks = marksOf(row);
      const key = marks.map((mark) => mark.join()).join("\n");
      if (key === shown) return;
      shown = key;
      list.replaceChildren(...marks.map(([name, word, tone]) => make("span", { class: "mark", "data-tone": tone || undefined }, icon(name), word)));
    };
    return { content: [list], write };
  };
}

/** Returns the cell of narrow screens: a name, and under it what the missing columns would say. */
export function twoLines(first, underOf) {
  return () => {
    const head = first();
    const under = textCell(underOf)();
    const write = (row) => {
      head.write(row);
      under.write(row);
    };
    return { content: [make("span", { class: "first" }, ...head.content), make("span", { class: "under" }, ...under.content)], write };
  };
}

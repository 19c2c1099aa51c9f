// What is wrong by Proxmox's own word: by resource, as problems of the whole, and as one line on a card.

import { printable } from "./format.js";
import { icon, make, panelAddress, setData, setIcon, setText } from "./page.js";
import { setTitle } from "./table.js";

/** Level to its word, its shape and its colour. */
export const LEVELS = {
  critical: { word: "Critical", icon: "offline", tone: "bad" },
  warning: { word: "Warning", icon: "problem", tone: "warn" },
};

/** Sentences in the line of a card, which has room for one or two. */
const MOST_IN_LINE = 3;
const NONE = [];
/** Collections of what a concern may be about, those on which the others rest first. */
const RESOURCES = ["nodes", "pbs", "pmg", "storage", "vms", "containers"];
/** What was made last of all concerns, and of a whole state: both are replaced, never changed. */
const [sorted, told] = [new WeakMap(), new WeakMap()];

/** Returns a level that the page knows; what it does not know is a warning. */
export function levelOf(level) {
  return Object.hasOwn(LEVELS, level) ? level : "warning";
}

/** Returns the concerns about a resource, always the same list while none of the concerns changes. */
export function concernsOf(state, id) {
  let known = sorted.get(state.concerns);
  if (!known) {
    known = new Map();
    for (const concern of state.concerns.values()) {
      const others = known.get(concern.resourceId);
      if (others) others.push(concern);
      else known.set(concern.resourceId, [concern]);
    }
    sorted.set(state.concerns, known);
  }
  return known.get(id) ?? NONE;
}

/**
 * Returns every concern as a problem `{key, level, rank, title, href, text, since}`: the critical ones first, then those
 * about what carries most. What concerns a whole connection leads to one of its nodes, which tells of it too.
 */
export function concernProblems(state) {
  let problems = told.get(state);
  if (!problems) {
    problems = [...state.concerns.values()].map((concern) => problemOf(state, concern));
    problems.sort((a, b) => (a.level === b.level ? a.rank - b.rank : a.level < b.level ? -1 : 1));
    told.set(state, problems);
  }
  return problems;
}

function problemOf(state, concern) {
  const { rank, name } = concern.resourceId ? found(state, concern.resourceId) : { rank: -1, name: concern.instance };
  const id = concern.resourceId || someNode(state, concern.instance);
  return { key: `concern:${concern.id}`, level: concern.level, rank, title: printable(name), href: id && panelAddress(id), text: `${printable(concern.text)}.`, since: null };
}

/** Returns the name of a resource and the place of its kind: nodes, backup servers, gateways, storages, guests. */
function found(state, id) {
  const place = RESOURCES.findIndex((collection) => state[collection].has(id));
  if (place < 0) return { rank: RESOURCES.length, name: id };
  const item = state[RESOURCES[place]].get(id);
  return { rank: place, name: item.name || `guest ${item.vmid}` };
}

function someNode(state, instance) {
  const nodes = [...state.nodes.values()].filter((node) => node.instance === instance);
  return (nodes.find((node) => node.status === "online") ?? nodes[0])?.id ?? "";
}

/** Returns the concerns as one line: the sentence of a single one, else their number before the first sentences. */
export function lineText(concerns) {
  const texts = concerns.slice(0, MOST_IN_LINE).map((concern) => printable(concern.text));
  if (concerns.length < 2) return texts.join("");
  const rest = concerns.length > MOST_IN_LINE ? `, and ${concerns.length - MOST_IN_LINE} more` : "";
  return `${concerns.length} problems: ${texts.join(", ")}${rest}`;
}

/** Returns the level of the worst of them; they come with the critical ones first. */
function worst(concerns) {
  return levelOf(concerns[0].level);
}

/** Makes the line of a card, `{root, write(concerns, href)}`; it is cut where the card ends and leads to all of it. */
export function makeProblemLine() {
  const svg = icon("problem");
  const text = make("span", { class: "line-text" });
  const link = make("a", {}, svg, text);
  const root = make("p", { class: "card-problems" }, link);
  const write = (concerns, href) => {
    root.hidden = concerns.length === 0;
    if (root.hidden) return;
    const level = worst(concerns);
    setData(root, "level", level);
    setIcon(svg, LEVELS[level].icon);
    setText(text, lineText(concerns));
    setTitle(link, lineText(concerns));
    link.setAttribute("href", href);
  };
  return { root, write };
}

/** Makes the mark beside a name, `{root, write(concerns)}`: a shape whose words are its title. */
export function makeMark() {
  const svg = icon("problem");
  const words = make("span", { class: "aside" });
  const root = make("span", { class: "concern-mark" }, svg, words);
  const write = (concerns) => {
    root.hidden = concerns.length === 0;
    if (root.hidden) return;
    const level = worst(concerns);
    setData(root, "level", level);
    setIcon(svg, LEVELS[level].icon);
    setText(words, lineText(concerns));
    setTitle(root, lineText(concerns));
  };
  return { root, write };
}

// The dashboard: joins the feed, the state, the address and the parts of the page.

import { Feed } from "./feed.js";
import { ageOf, liveState } from "./format.js";
import { GuestTable, isColumn as isGuestColumn } from "./guests.js";
import { cardsOf, drawCards, drawGateways, drawLive, drawProblems, drawSummary, problemsOf } from "./overview.js";
import { feedAddress, find, panelOf, remember, remembered, request, setText, signInIfRefused, toast } from "./page.js";
import { apply, fromWire, guestsOf, isBehind, NOTHING } from "./state.js";
import { isColumn as isStorageColumn, StorageTable } from "./storage.js";

const root = find("dashboard");
const POLL_SECONDS = Number(root.dataset.pollSeconds);
/** Figures older than three polls are stale. */
const LIMIT_SECONDS = Math.max(30, 3 * POLL_SECONDS);
const COLLAPSED = "collapsed";
const HEADINGS = { overview: "Overview", storage: "Storage", backup: "Backups" };
const PARTS_OF_BACKUP = ["risk", "all", "tasks", "snapshots", "jobs", "servers"];

// --- The view: what a person has chosen; the address says all of it but the collapsed groups ------------------

/** What each part may be, and what it is when the address does not say. */
const PARTS = {
  tab: { otherwise: "overview", isAllowed: (value) => Object.hasOwn(HEADINGS, value) },
  q: { otherwise: "", isAllowed: (value) => value.length <= 200 },
  type: { otherwise: "", isAllowed: (value) => ["vm", "lxc"].includes(value) },
  status: { otherwise: "", isAllowed: (value) => ["running", "stopped"].includes(value) },
  group: { otherwise: "node", isAllowed: (value) => ["instance", "type", "status", "none"].includes(value) },
  sort: { otherwise: "vmid", isAllowed: (value) => isGuestColumn(value.replace("-", "")) },
  part: { otherwise: "risk", isAllowed: (value) => PARTS_OF_BACKUP.includes(value) },
  by: { otherwise: "", isAllowed: (value) => /^-?[a-z]{1,12}$/.test(value) },
  order: { otherwise: "name", isAllowed: (value) => isStorageColumn(value.replace("-", "")) },
};

function viewOf(search) {
  const query = new URLSearchParams(search);
  const view = { collapsed: readCollapsed() };
  for (const [name, { otherwise, isAllowed }] of Object.entries(PARTS)) {
    const value = query.get(name);
    view[name] = value !== null && isAllowed(value) ? value : otherwise;
  }
  return view;
}

function addressOf(chosen) {
  const query = new URLSearchParams();
  for (const [name, { otherwise }] of Object.entries(PARTS)) {
    if (chosen[name] !== otherwise) query.set(name, chosen[name]);
  }
  const text = query.toString();
  return text ? `?${text}` : location.pathname;
}

function readCollapsed() {
  const ids = remembered(COLLAPSED);
  return new Set(Array.isArray(ids) ? ids : []);
}

let view = viewOf(location.search);
let isTyping = false;

/** Makes changes of the view hold; the address remembers them, a run of typed letters as one step. */
function choose(changes) {
  view = { ...view, ...changes };
  if (changes.collapsed) remember(COLLAPSED, [...changes.collapsed].slice(-500));
  const address = addressOf(view);
  const isText = Object.keys(changes).length === 1 && "q" in changes;
  if (address !== (location.search || location.pathname)) {
    if (isText && isTyping) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }
  isTyping = isText;
  showChoices();
  draw(true);
}

function showChoices() {
  root.dataset.tab = view.tab;
  for (const link of document.querySelectorAll("[data-tab-link]")) {
    if (link.dataset.tabLink === view.tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  setText(find("heading"), HEADINGS[view.tab]);
  const filter = find("filter");
  if (filter.value !== view.q) filter.value = view.q;
  for (const name of ["type", "status"]) {
    for (const input of document.querySelectorAll(`[data-choice="${name}"] input`)) input.checked = input.value === view[name];
  }
  find("group").value = view.group;
  const sort = find("sort");
  sort.value = view.sort;
  if (sort.selectedIndex < 0) sort.value = view.sort.startsWith("-") ? view.sort.slice(1) : `-${view.sort}`;
}

// --- What is known ---------------------------------------------------------------------------------------------

let state = NOTHING;
let hasState = false;
let isLinked = false;
let instances = null;
let showAll = false;
const seen = new Map();
/** What the clock of the server is ahead of the one of the browser; small differences are the way the page took. */
let aheadMs = Number(root.dataset.now) - Date.now();
if (Math.abs(aheadMs) < 2000) aheadMs = 0;

const now = () => Date.now() + aheadMs;

const ageSeconds = () => ageOf(state.lastUpdate, now());

// --- Drawing: once per frame, and not at all while nobody looks -------------------------------------------------

let frame = 0;
let isWanted = false;
let drawn = [];

/** Draws with the next frame; `wanted` says that a person asked for the new order. */
function draw(wanted = false) {
  isWanted ||= wanted;
  if (document.hidden) return;
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    drawNow();
    isWanted = false;
  });
}

const guestTable = new GuestTable(choose);
const storageTable = new StorageTable(choose);

function drawNow() {
  const guests = guestsOf(state, seen, now());
  const isFresh = hasState && state.nodes.size + state.pbs.size + state.pmg.size === 0 && instances !== null && instances.length === 0;
  find("waiting").hidden = hasState;
  find("empty").hidden = !isFresh;
  for (const panel of document.querySelectorAll("[data-panel]")) panel.hidden = !hasState || isFresh || panel.dataset.panel !== view.tab;
  const isHeld = view.tab === "overview" && hasState && guestTable.isHeld;
  const before = isHeld ? guestTable.top : 0;
  drawTop(guests, isHeld);
  if (!hasState || isFresh) return;
  if (isHeld) keepInPlace(before);
  panel?.follow(state, now);
  if (view.tab === "overview") drawOverview(guests, isHeld);
  // Ages are told anew each second; the tables, where they count in minutes, only when there is something new to tell.
  const needed = [state, view, innerWidth, Math.floor(now() / 60_000)];
  if (!isWanted && needed.every((part, index) => part === drawn[index])) return;
  drawn = needed;
  if (view.tab === "storage") storageTable.show(state, view, now());
  if (view.tab === "overview") guestTable.show(guests, view, isWanted, now());
  if (view.tab === "backup") drawBackups(guests, isWanted);
}

let backups = null;

/** Draws the view of backups; its part of the scripts comes when somebody opens it. */
function drawBackups(guests, wanted) {
  if (backups instanceof Promise) return;
  if (backups) {
    backups.show(state, guests, view, now(), wanted);
    return;
  }
  backups = import("./backups.js").then(
    ({ BackupsView }) => {
      backups = new BackupsView(choose);
      draw(true);
    },
    () => (backups = null), // Pulse does not answer now; the next picture tries again
  );
}

function drawOverview(guests, isHeld) {
  const before = isHeld ? guestTable.top : 0;
  const live = liveState({ isLinked, hasState, ageSeconds: ageSeconds(), limitSeconds: LIMIT_SECONDS });
  drawSummary(state, guests, { isLive: live === "live" || live === "connecting", now: now() });
  drawGateways(state, now());
  const cards = cardsOf(state, guests, instances);
  const connections = new Set(cards.map((card) => card.node?.instance ?? card.waiting.name));
  drawCards(cards, { now: now(), showAll, hasOneInstance: connections.size < 2 });
  if (isHeld) keepInPlace(before);
}

/** Scrolls by what the table has moved: what grew above it must not push its rows away from under the pointer. */
function keepInPlace(before) {
  const moved = guestTable.top - before;
  if (moved) scrollBy(0, moved); // by nothing, a browser would still go to a whole pixel
}

/** Draws what is always in sight: the indicator and the problems. */
function drawTop(guests, isHeld) {
  const age = ageSeconds();
  const live = liveState({ isLinked, hasState, ageSeconds: age, limitSeconds: LIMIT_SECONDS });
  drawLive(live, hasState ? age : null);
  const isStale = live === "stale" && state.nodes.size + state.pbs.size + state.pmg.size > 0;
  drawProblems(hasState ? problemsOf(state, guests, instances, { isStale, ageSeconds: age }) : [], now(), isHeld);
}

// --- News --------------------------------------------------------------------------------------------------------

/** How often the sentences about connections that do not answer are read again. */
const TROUBLE_SECONDS = 20;
/** The same while they contradict the feed, which tells of a silence as soon as it is known. */
const BEHIND_SECONDS = 2;
let readAt = 0;

async function readInstances() {
  readAt = performance.now();
  try {
    instances = await request("GET", "/api/config/nodes");
  } catch {
    return; // without the right to read them, or without a server: what the feed says is enough
  }
  document.dispatchEvent(new CustomEvent("pulse:instances", { detail: instances }));
  draw();
}

/** Returns what tells how the connections are: when it changes, their sentences have changed too. */
function healthOf(one) {
  return JSON.stringify(one.connectionHealth);
}

function takeState(next) {
  const health = healthOf(state);
  const hadState = hasState;
  state = next;
  hasState = true;
  if (!hadState || healthOf(state) !== health) readInstances();
  draw();
}

new Feed(feedAddress(), {
  state: (wire) => takeState(fromWire(wire)),
  changes: (message) => {
    const next = apply(state, message);
    if (next) takeState(next);
    return next !== null;
  },
  message: ({ type, data }) => {
    if (type === "nodes_changed" || type === "node_deleted" || type === "node_auto_registered") readInstances();
    if (type === "ping" && Math.abs(data.timestamp * 1000 - now()) > 5000) aheadMs = data.timestamp * 1000 - Date.now();
  },
  link: (word) => {
    isLinked = word === "live";
    if (word === "refused") signInIfRefused();
    draw();
  },
});

// --- A person's hands --------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='?']");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  const asked = viewOf(new URL(link.href).search);
  const isTab = link.dataset.tabLink !== undefined;
  const isPart = link.dataset.partLink !== undefined;
  // A tab keeps how the others were left; every other link says all of the view.
  if (isTab) choose({ tab: asked.tab, q: "" });
  else if (isPart) choose({ part: asked.part, by: "" });
  else choose(asked);
  scrollTo(0, 0);
  if (!isTab && !isPart) find("toolbar").scrollIntoView();
});

const filter = find("filter");
filter.addEventListener("input", () => {
  choose({ q: filter.value });
  const sheet = find("guests");
  // Deep in a long table the result would be above the window.
  if (view.tab === "overview" && sheet.getBoundingClientRect().top < 0) find("toolbar").scrollIntoView();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement === filter && filter.value) {
    event.preventDefault();
    choose({ q: "" });
  }
  const isElsewhere = !event.target.closest("input, select, textarea, dialog");
  if (event.key === "/" && isElsewhere && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    filter.focus();
    filter.select();
  }
});

for (const name of ["type", "status"]) {
  find("toolbar").querySelector(`[data-choice="${name}"]`).addEventListener("change", (event) => choose({ [name]: event.target.value }));
}
find("group").addEventListener("change", (event) => choose({ group: event.target.value }));

const trendSwitch = find("trends");

/** Shows small lines in the rows of the guests, or none; their part of the scripts comes when somebody wants them. */
async function showTrends() {
  try {
    guestTable.setTrends(trendSwitch.checked ? await import("./trends.js") : null);
  } catch {
    toast("Pulse does not answer, so the last hour cannot be shown now.");
    trendSwitch.checked = false;
  }
  draw(true);
}
trendSwitch.addEventListener("change", () => {
  remember("trends", trendSwitch.checked);
  showTrends();
});
trendSwitch.checked = remembered("trends") === true;
if (trendSwitch.checked) showTrends();

find("other-problems").addEventListener("toggle", () => draw());
find("all-cards").addEventListener("click", () => {
  showAll = !showAll;
  draw();
});

// --- The panel of a resource: what the address has after its "#" --------------------------------------------------

let panel = null;

async function showPanel() {
  if (location.hash === "#nodes") {
    history.replaceState(null, "", location.pathname + location.search);
    document.querySelector("[data-open-nodes]")?.click();
  }
  if (!panel && !panelOf(location.hash)) return;
  // Loaded when first needed, as most of what it shows is.
  try {
    panel ??= await import("./panel.js");
  } catch {
    toast("Pulse does not answer, so nothing more can be read now.");
    return;
  }
  panel.follow(state, now);
  panel.showAddress();
}
addEventListener("hashchange", showPanel);

addEventListener("popstate", () => {
  view = viewOf(location.search);
  isTyping = false;
  showChoices();
  draw(true);
});

for (const button of document.querySelectorAll("[data-open-nodes], [data-add-node]")) {
  button.addEventListener("click", async () => {
    // Loaded when first needed: most visits never change a node.
    if ("addNode" in button.dataset) (await import("./node-form.js")).openForm();
    else (await import("./setup.js")).showNodes(instances ?? []);
  });
}
document.addEventListener("pulse:changed", readInstances);

document.addEventListener("visibilitychange", () => draw());
addEventListener("resize", () => draw(), { passive: true });

// Ages rise also when nothing arrives; that is when they matter.
setInterval(() => {
  if (document.hidden) return;
  const isTrouble = instances?.some((instance) => instance.status !== "connected" && !instance.paused);
  const patience = isBehind(state, instances) ? BEHIND_SECONDS : isTrouble ? TROUBLE_SECONDS : Infinity;
  if (performance.now() - readAt > patience * 1000) readInstances();
  draw();
}, 1000);

showChoices();
readInstances();
draw();
showPanel();

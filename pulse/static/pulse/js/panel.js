// The panel of one resource: its figures, which follow the feed, what else is known of it, and where each number comes
// from. It hangs on the address (`#resource/<id>`, `#resource/<id>/<number>`), so that it can be linked and Back closes it.

import { problemsOf, sectionsOf } from "./details.js";
import { explanation, valueText } from "./explain.js";
import { instant, printable, UNKNOWN } from "./format.js";
import { find, icon, keep, make, panelAddress, panelOf, request, resourcePath, setData, setText } from "./page.js";
import { reasonText, sentence, since } from "./words.js";

/** How often what is shown is read anew. */
const AGAIN_SECONDS = 10;
/** What stands for all numbers in the address. */
const ALL = "all";
const KINDS = { nodes: "Node", vms: "Virtual machine", containers: "Container", storage: "Storage", pbs: "Backup server", pmg: "Mail gateway" };

const isUp = (one) => one.status === "running" || one.status === "online";
const figure = (number, label, value, unit, extra = {}) => ({ number, label, text: valueText(value, unit), ...extra });

const guestFigures = (guest) => [
  figure("cpu", "CPU", isUp(guest) ? guest.cpu : null, "fraction"),
  figure("memory", "Memory", isUp(guest) ? guest.memory : null, "bytes", guest.memoryTrust === "low" ? { doubt: sentence(reasonText(guest.memoryReason)) } : {}),
  figure("disk", "Disk", guest.diskReason ? null : guest.disk, "bytes", guest.diskReason ? { doubt: sentence(reasonText(guest.diskReason)) } : {}),
  ...[["networkIn", "Net in"], ["networkOut", "Net out"], ["diskRead", "Disk read"], ["diskWrite", "Disk write"]].map(([name, label]) => figure(name, label, isUp(guest) ? guest[name] : null, "bytes per second")),
  figure("uptime", "Uptime", isUp(guest) ? guest.uptime : null, "seconds"),
];

const FIGURES = {
  vms: guestFigures,
  containers: guestFigures,
  nodes: (node) => [
    figure("cpu", "CPU", isUp(node) && !node.cpuReason ? node.cpu : null, "fraction", node.cpuReason ? { doubt: sentence(reasonText(node.cpuReason)) } : {}),
    figure("memory", "Memory", isUp(node) ? node.memory : null, "bytes"),
    figure("disk", "Root disk", isUp(node) ? node.disk : null, "bytes"),
    figure("loadAverage", "Load", node.loadAverage, "processes"),
    figure("uptime", "Uptime", isUp(node) ? node.uptime : null, "seconds"),
  ],
  storage: (storage) => [
    figure("usage", "Usage", storage.total ? storage.usage : null, "percent"),
    ...["used", "free", "total"].map((name) => figure(name, name[0].toUpperCase() + name.slice(1), storage.total ? storage[name] : null, "bytes")),
  ],
  pbs: (server) => [
    figure("cpu", "CPU", server.memoryTotal ? server.cpu : null, "fraction"),
    figure("memory", "Memory", server.memoryTotal ? server.memory : null, "percent"),
    ...server.datastores.map((store) => figure(`datastores.${store.name}.usage`, printable(store.name), store.used + store.free ? store.usage : null, "percent")),
  ],
  pmg: (gateway) => gateway.nodes.flatMap((node) => [
    figure(`nodes.${node.name}.cpu`, `${printable(node.name)} CPU`, node.error ? null : node.cpu, "fraction"),
    figure(`nodes.${node.name}.memory`, `${printable(node.name)} memory`, node.error ? null : node.memory, "bytes"),
  ]),
};

const dialog = find("resource");
const [problems, past, body] = ["resource-problems", "resource-history", "resource-body"].map((name) => find(name));
let shown = { id: "", number: "", answer: null };
let state = null;
let clock = () => Date.now();
let asked = 0;

/** Follows the feed and the address; `now()` is the clock of the server in epoch milliseconds. */
export function follow(next, now) {
  state = next;
  clock = now;
  if (dialog.open) drawHead();
}

/** Shows what the address asks for, or closes the panel. */
export function showAddress() {
  const wanted = panelOf(location.hash);
  if (!wanted) {
    if (dialog.open) dialog.close();
    return;
  }
  const isOther = wanted.id !== shown.id;
  if (!dialog.open) dialog.showModal();
  shown = { ...shown, ...wanted, answer: isOther ? null : shown.answer };
  if (isOther) charts?.closeHistory();
  drawHead();
  read();
}

/** Returns `{collection, item}` of the state, null while it has no such resource. */
function known(id) {
  for (const collection of Object.keys(KINDS)) {
    const item = state?.[collection].get(id);
    if (item) return { collection, item };
  }
  return null;
}

function drawHead() {
  const live = known(shown.answer?.id ?? shown.id) ?? (shown.answer ? { collection: shown.answer.collection, item: shown.answer.resource } : null);
  if (!live) {
    setText(find("resource-title"), printable(shown.id));
    setText(find("resource-kind"), "");
    keep(find("resource-figures"), [], () => "", makeFigure);
    return;
  }
  const { collection, item } = live;
  const isGuest = collection === "vms" || collection === "containers";
  setText(find("resource-title"), printable(item.name || (isGuest ? `guest ${item.vmid}` : shown.id)));
  setText(find("resource-kind"), kindText(collection, item, isGuest));
  for (const link of dialog.querySelectorAll("[data-resource-tab]")) {
    const isNumbers = link.dataset.resourceTab === "numbers";
    link.href = panelAddress(shown.id, isNumbers ? ALL : "");
    if (isNumbers === Boolean(shown.number)) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  keep(find("resource-figures"), FIGURES[collection](item), (one) => one.number, makeFigure);
}

function kindText(collection, item, isGuest) {
  const parts = [isGuest ? `${KINDS[collection]} ${item.vmid}` : KINDS[collection], printable(item.status)];
  if (item.stale) parts.push(instant(item.lastSeen) === null ? "last known figures" : `last known figures, ${since(item.lastSeen, clock())} old`);
  return parts.join(" · ");
}

function makeFigure() {
  const [label, value] = [make("span", { class: "quiet" }), make("span", { class: "worth" })];
  const root = make("li", {}, make("a", {}, label, value));
  const link = root.firstElementChild;
  const write = (one) => {
    setText(label, one.label);
    setText(value, `${one.doubt && one.text !== UNKNOWN ? "≈ " : ""}${one.text}`);
    link.href = panelAddress(shown.id, one.number);
    link.title = one.doubt ? one.doubt : `Where does ${one.label} come from?`;
    setData(link, "asked", shown.number === one.number ? "true" : "");
  };
  return { root, write };
}

/** Reads and draws what the address asks for; `isRenewal` when somebody looks at it already. */
async function read(isRenewal = false) {
  const ticket = (asked += 1);
  const { id, number } = shown;
  const path = resourcePath(id);
  past.hidden = problems.hidden = Boolean(number);
  if (body.dataset.of !== `${id}\n${Boolean(number)}`) body.replaceChildren(make("p", { class: "waiting" }, icon("sync"), " Reading what is known…"));
  try {
    const answer = await request("GET", number ? `${path}/explain` : path);
    if (ticket !== asked || !dialog.open || (isRenewal && isInUse())) return;
    body.dataset.of = `${id}\n${Boolean(number)}`;
    if (number) drawNumbers(answer.numbers, number, isRenewal);
    else drawDetails(answer);
  } catch (error) {
    if (ticket !== asked || isRenewal) return; // what is known stays
    body.dataset.of = "";
    problems.replaceChildren();
    const text = error.status === 404 ? "Pulse knows nothing of this name any more: it was removed, or has moved." : printable(error.message);
    body.replaceChildren(make("div", { class: "notice", "data-state": "warn", role: "status" }, icon("problem"), make("p", {}, text)));
  }
}

function drawDetails(answer) {
  shown.answer = answer;
  drawHead();
  problems.replaceChildren(...problemsOf(answer, clock()));
  body.replaceChildren(...sectionsOf(answer, clock()));
  drawHistory(answer);
}

let charts = null;

/** Draws the history of what is shown; its part of the scripts comes with the first of them. */
async function drawHistory({ id, collection, resource, details }) {
  try {
    charts ??= await import("./history.js");
  } catch {
    return; // Pulse does not answer now; the next renewal tries again
  }
  if (shown.answer?.id === id && !shown.number) charts.showHistory({ id, collection, resource, details }, clock);
}

function drawNumbers(numbers, number, isRenewal) {
  const hadFocus = body.contains(document.activeElement);
  body.replaceChildren(explanation(numbers, number, clock()));
  const row = body.querySelector("[data-asked]");
  if (!row) return;
  if (!isRenewal) row.scrollIntoView({ block: "nearest" });
  if (!isRenewal || hadFocus) row.focus({ preventScroll: true });
}

/** Whether somebody has marked something in it or is on the way through it by keyboard: then nothing is redrawn. */
function isInUse() {
  const at = document.activeElement;
  const isInside = body.contains(at) && !("asked" in at.dataset);
  return isInside || (!getSelection().isCollapsed && body.contains(getSelection().anchorNode));
}

setInterval(() => {
  if (dialog.open && !document.hidden && body.dataset.of && !isInUse()) read(true);
}, AGAIN_SECONDS * 1000);

/** Leaves the address of the panel, however it was closed. */
dialog.addEventListener("close", () => {
  if (dialog.open) return; // told late: somebody has gone forward to it again
  asked += 1;
  shown = { id: "", number: "", answer: null };
  body.dataset.of = "";
  body.replaceChildren();
  problems.replaceChildren();
  charts?.closeHistory();
  if (panelOf(location.hash)) history.replaceState(null, "", location.pathname + location.search);
});
find("resource-again").addEventListener("click", () => read());
for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside the panel
});

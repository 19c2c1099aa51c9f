// What stands above the tables: the live indicator, the problems, the sums and the node cards.

import { concernProblems, concernsOf, LEVELS, levelOf, makeProblemLine } from "./concerns.js";
import { age, bytes, clock, duration, elapsed, instant, level, liveAge, percent, printable, staleTitle, UNKNOWN, uptime } from "./format.js";
import { naturalKey } from "./order.js";
import { find, icon, keep, make, makeBar, panelAddress, setData, setIcon, setText } from "./page.js";
import { healthKey, isCached, minutesSince } from "./state.js";
import { setTitle } from "./table.js";
import { silenceTexts } from "./words.js";

/** With more nodes than this the cards lose their small print; with more than that the quiet ones are folded away. */
const MANY_CARDS = 12;
const SHOWN_CARDS = 24;
/** Problems that are told at once; the others are folded away, and of very many not all are drawn. */
const SHOWN_PROBLEMS = 3;
const MOST_PROBLEMS = 100;

const LIVE = {
  connecting: ["sync", "Connecting"],
  live: ["running", "Live"],
  reconnecting: ["sync", "Reconnecting"],
  stale: ["clock", "Stale"],
};

/** Draws the indicator; `ageSeconds` is null while there are no figures, negative while nobody knows how old they are. */
export function drawLive(state, ageSeconds) {
  const root = find("live");
  const [name, word] = LIVE[state];
  if (root.dataset.state !== state) {
    root.dataset.state = state;
    setIcon(root.querySelector(".icon"), name);
    setText(find("live-word"), word);
    find("announcer").textContent = state === "live" ? "" : word;
  }
  const isOld = state === "reconnecting" || state === "stale";
  setText(find("live-age"), liveAge(isOld, ageSeconds));
}

/**
 * Returns what is wrong, the critical first: `{key, level, title, href, text, since}`, `since` in epoch milliseconds or
 * null, `href` empty where nothing can be opened. `instances` is the list of configured connections, null for a caller that may not see
 * it.
 */
export function problemsOf(state, guests, instances, { isStale, ageSeconds }) {
  const problems = [];
  const silent = new Set();
  for (const instance of instances ?? []) {
    if (instance.paused || instance.status === "connected" || !instance.failingSince) continue;
    silent.add(healthKey(instance));
    problems.push(silentInstance(instance, guests));
  }
  for (const [key, isHealthy] of Object.entries(state.connectionHealth)) {
    if (isHealthy !== false || silent.has(key)) continue;
    silent.add(key);
    const text = "Its last known figures stay on the page.";
    problems.push(critical(`health:${key}`, `${printable(key)} does not answer`, text));
  }
  for (const node of state.nodes.values()) {
    if (node.status !== "offline" || silent.has(node.instance)) continue;
    const lost = guests.filter((guest) => guest.node === node.name && guest.instance === node.instance).length;
    const text = lost ? `${counted(lost, "guest")} on it ${lost === 1 ? "is" : "are"} unknown.` : "";
    const problem = critical(`node:${node.id}`, `Node ${printable(node.name)} is offline`, text);
    problems.push({ ...problem, href: panelAddress(node.id), since: instant(node.lastSeen) });
  }
  if (isStale) {
    const text = "Pulse answers, but none of its polls has finished. Its log says why.";
    problems.push(critical("stale", staleTitle(ageSeconds), text));
  }
  return [...problems, ...concernProblems(state)];
}

function critical(key, title, text) {
  return { key, level: "critical", title, href: "", text, since: null };
}

function silentInstance(instance, guests) {
  const [title] = silenceTexts(instance);
  const count = guests.filter((guest) => instance.type === "pve" && guest.instance === instance.name).length;
  const kept = count ? ` ${counted(count, "guest")} shown as last known.` : "";
  const reason = (instance.statusMessage ?? "").replace(/\.?$/, ".");
  const text = `${reason === "." ? "" : printable(reason)}${kept}`.trim();
  return { ...critical(`instance:${instance.id}`, `${printable(instance.name)} ${title}`, text), since: instant(instance.failingSince) };
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Draws the problems and their number in the top bar. While `isHeld`, the strip may grow but not shrink. */
export function drawProblems(problems, now, isHeld) {
  const strip = find("problems");
  const isShown = !strip.hidden;
  if (isHeld && isShown) strip.style.setProperty("min-height", `${strip.offsetHeight}px`);
  else strip.style.removeProperty("min-height");
  const level = problems[0]?.level ?? "";
  setData(strip, "level", level);
  drawLines(find("first-problems"), problems.slice(0, SHOWN_PROBLEMS), now);
  drawOthers(problems.slice(SHOWN_PROBLEMS), now);
  strip.hidden = problems.length === 0 && !(isHeld && isShown);
  const badge = find("problem-count");
  badge.hidden = problems.length === 0;
  setData(badge, "level", level);
  setText(badge.lastElementChild, String(problems.length));
  badge.setAttribute("aria-label", counted(problems.length, "problem"));
  document.title = problems.length ? `(${problems.length}) Pulse` : "Pulse";
}

/** Draws those that are folded away, once somebody has opened them. */
function drawOthers(problems, now) {
  const others = find("other-problems");
  others.hidden = problems.length === 0;
  setText(find("other-count"), `and ${problems.length} more`);
  const left = problems.length - MOST_PROBLEMS;
  find("undrawn-problems").hidden = left <= 0;
  if (left > 0) setText(find("undrawn-problems"), `…and ${left} more, which stand at the resources that they are about.`);
  drawLines(others.querySelector("ul"), others.open ? problems.slice(0, MOST_PROBLEMS) : [], now);
}

function drawLines(list, problems, now) {
  keep(list, problems.map((problem) => ({ ...problem, now })), (problem) => problem.key, makeProblem);
}

function makeProblem() {
  const svg = icon("problem");
  const word = make("span", { class: "aside" });
  const [title, text, since] = [make("a", { class: "problem-title" }), make("span"), make("time", { class: "quiet" })];
  const root = make("li", { class: "problem" }, svg, make("p", {}, word, title, " ", text), since);
  const write = (problem) => {
    const level = levelOf(problem.level);
    setData(root, "level", level);
    setIcon(svg, LEVELS[level].icon);
    setText(word, `${LEVELS[level].word}: `);
    setText(title, problem.title);
    if (problem.href) title.setAttribute("href", problem.href);
    else title.removeAttribute("href");
    setText(text, problem.text);
    writeSince(since, problem.since, problem.now);
  };
  return { root, write };
}

function writeSince(element, since, now) {
  element.hidden = since === null;
  if (since === null) return;
  setText(element, `since ${clock(since, now)}, ${duration(elapsed(since, now))}`);
  element.dateTime = new Date(since).toISOString();
}

/**
 * Draws the sums over everything that answers. With no connection at all they are the last known ones, and say so at
 * their edge, where nothing has to move for it.
 */
export function drawSummary(state, guests, { isLive, now }) {
  const healths = Object.values(state.connectionHealth);
  const isKnown = isLive && (healths.length === 0 || healths.includes(true));
  const at = instant(state.lastUpdate);
  setData(find("summary-frame"), "state", isKnown ? "" : "stale");
  find("last-known").hidden = isKnown;
  if (!isKnown) setText(find("last-known").lastElementChild, at === null || !isLive ? lastKnown(at, now) : lastKnown(newestSeen(state), now));
  const nodes = [...state.nodes.values()];
  const online = nodes.filter((node) => node.status === "online");
  const running = guests.filter((guest) => !guest.isUnknown && guest.status === "running").length;
  const cores = sum(online, (node) => node.cpuInfo.cores);
  const busy = sum(online, (node) => node.cpu * node.cpuInfo.cores);
  // A backup server's store is counted where it is, not once more where it is mounted, and a file system once.
  const storages = [...state.storage.values()].filter((one) => one.type !== "pbs" && one.status === "available" && !one.sameAs);
  // What PBS tells of an object store is how full its cache is.
  const servers = [...state.pbs.values()].flatMap((server) => server.datastores).filter((store) => !isCached(store));
  const facts = [
    { key: "Nodes", text: `${online.length}`, detail: `of ${nodes.length} online`, share: null },
    { key: "Guests", text: `${running}`, detail: `of ${guests.length} running`, share: null },
    share("CPU", busy, cores, "cpu", `of ${cores} cores`),
    share("Memory", sum(online, (node) => node.memory.used), sum(online, (node) => node.memory.total), "memory"),
    share("Storage", sum(storages, (one) => one.used), sum(storages, (one) => one.total), "disk"),
  ];
  if (servers.length) facts.push(share("Backup", sum(servers, (one) => one.used), sum(servers, (one) => one.used + one.free), "disk"));
  keep(find("summary"), facts, (fact) => fact.key, makeFact);
}

function lastKnown(at, now) {
  return at === null ? "Last known figures" : `Last known figures, of ${clock(at, now)}`;
}

/** Returns when anything was last seen: a poll that fails changes the state too. */
function newestSeen(state) {
  const seen = [...state.nodes.values(), ...state.pbs.values(), ...state.pmg.values()].map((one) => instant(one.lastSeen)).filter((at) => at !== null);
  return seen.length ? Math.max(...seen) : null;
}

function sum(items, valueOf) {
  return items.reduce((total, item) => total + valueOf(item), 0);
}

function share(key, used, total, kind, detail = `of ${bytes(total)}`) {
  if (!total) return { key, text: UNKNOWN, detail: "", share: null, level: "" };
  const value = (used / total) * 100;
  return { key, text: percent(value), detail, share: value, level: level(value, kind) };
}

function makeFact(fact) {
  const [text, detail, bar] = [make("span", { class: "fact-number" }), make("span", { class: "quiet" }), makeBar()];
  const root = make("div", { class: "fact" }, make("dt", {}, fact.key), make("dd", {}, text, " ", detail, bar.bar));
  const write = (next) => {
    setText(text, next.text);
    setText(detail, next.detail);
    bar.set(next.share, next.level ?? "");
    bar.bar.hidden = next.share === null;
  };
  return { root, write };
}

/**
 * Returns the cards: one per node, and one per configured PVE connection of which no node is known yet; by
 * connection, then by name.
 */
export function cardsOf(state, guests, instances) {
  const counts = new Map();
  for (const guest of guests) {
    const key = `${guest.instance}\n${guest.node}`;
    const count = counts.get(key) ?? { total: 0, running: 0 };
    counts.set(key, count);
    count.total += 1;
    if (!guest.isUnknown && guest.status === "running") count.running += 1;
  }
  const cards = [...state.nodes.values()].map((node) => ({
    key: node.id,
    node,
    concerns: concernsOf(state, node.id),
    guests: counts.get(`${node.instance}\n${node.name}`) ?? { total: 0, running: 0 },
  }));
  const known = new Set(cards.map((card) => card.node.instance));
  for (const instance of instances ?? []) {
    if (instance.type === "pve" && !known.has(instance.name)) cards.push({ key: `waiting:${instance.id}`, waiting: instance });
  }
  return cards.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
}

function placeOf({ node, waiting }) {
  return naturalKey(node ? `${node.instance}\n${node.name}` : waiting.name);
}

/** Draws the cards; with very many only those that need a look, until all are asked for. */
export function drawCards(cards, { now, showAll, hasOneInstance }) {
  const list = find("cards");
  setData(list, "size", cards.length > MANY_CARDS ? "small" : "");
  const isFolded = cards.length > SHOWN_CARDS && !showAll;
  const shown = isFolded ? folded(cards) : cards;
  for (const card of shown) Object.assign(card, { now, hasOneInstance });
  keep(list, shown, (card) => card.key, (card) => (card.waiting ? makeWaiting() : makeCard()));
  const button = find("all-cards");
  button.hidden = cards.length <= SHOWN_CARDS;
  button.setAttribute("aria-expanded", String(!isFolded));
  setText(button, isFolded ? `Show all ${cards.length} nodes` : "Show fewer nodes");
}

function folded(cards) {
  const isUrgent = ({ node, concerns }) => node?.status !== "online" || concerns.length > 0;
  const room = Math.max(0, SHOWN_CARDS - cards.filter(isUrgent).length);
  const calm = new Set(cards.filter((card) => !isUrgent(card)).slice(0, room));
  return cards.filter((card) => calm.has(card) || isUrgent(card));
}

function makeWaiting() {
  const [name, text] = [make("bdi", { class: "card-name" }), make("p", { class: "card-note" })];
  const word = make("span", { class: "status", "data-status": "stale" }, icon("clock"), make("span", {}, "waiting"));
  const root = make("li", { class: "card" }, make("div", { class: "card-head" }, name, word), text);
  root.dataset.state = "waiting";
  const write = ({ waiting }) => {
    setText(name, printable(waiting.name));
    const message = waiting.paused ? "Not polled: this connection is paused." : waiting.statusMessage;
    setText(text, message ? printable(message) : "Waiting for its first answer…");
  };
  return { root, write };
}

const NODE_STATES = {
  online: ["running", "online"],
  offline: ["offline", "offline"],
  unknown: ["unknown", "unknown"],
  stale: ["clock", "stale"],
};

function makeCard() {
  const svg = icon("unknown");
  const word = make("span");
  const status = make("span", { class: "status" }, svg, word);
  const name = make("a", { class: "card-name" }, make("bdi"));
  const facts = make("p", { class: "card-facts quiet" });
  const problems = makeProblemLine();
  const note = make("p", { class: "card-note" });
  const rows = ["CPU", "Memory", "Disk"].map(makeMeter);
  const meters = make("dl", { class: "meters" }, ...rows.map((row) => row.root));
  const [load, count] = [make("span"), make("a", { title: "Show them in the table" })];
  const foot = make("p", { class: "card-foot quiet" }, count, load);
  const root = make("li", { class: "card" }, make("div", { class: "card-head" }, name, status), facts, meters, note, problems.root, foot);
  const write = ({ node, concerns, guests, now, hasOneInstance }) => {
    const state = node.status === "online" ? (node.stale ? "stale" : "online") : node.status === "offline" ? "offline" : "unknown";
    const [iconName, text] = NODE_STATES[state];
    setData(root, "state", state);
    status.dataset.status = state === "online" ? "running" : state;
    setIcon(svg, iconName);
    const minutes = minutesSince(node.lastSeen, now);
    setText(word, state === "stale" ? age(minutes) : text);
    setText(name.firstElementChild, printable(node.name));
    setTitle(name, `Everything about ${printable(node.name)}`);
    name.setAttribute("href", panelAddress(node.id));
    count.setAttribute("href", `?q=${encodeURIComponent(`node:${node.name}`)}`);
    for (const [row, number] of [[rows[0], "cpu"], [rows[1], "memory"], [rows[2], "disk"]]) row.link.setAttribute("href", panelAddress(node.id, number));
    setText(facts, factsOf(node, hasOneInstance));
    setTitle(facts, facts.textContent);
    problems.write(concerns, panelAddress(node.id));
    const isDown = state === "offline" || state === "unknown";
    meters.hidden = isDown;
    note.hidden = !isDown;
    if (isDown) setText(note, silence(node, now));
    else writeMeters(rows, node);
    setText(count, countOf(guests, isDown));
    setText(load, node.loadAverage.length && !isDown ? `load ${node.loadAverage.map(loadText).join("  ")}` : "");
  };
  return { root, write };
}

function countOf({ total, running }, isDown) {
  if (isDown) return total ? `${counted(total, "guest")}, unknown` : "no guest known on it";
  return total ? `${running} of ${total} running` : "no guests";
}

function loadText(load) {
  return load.toFixed(load < 9.95 ? 2 : 1);
}

function writeMeters([cpu, memory, disk], node) {
  const cores = node.cpuInfo.cores;
  cpu.write(node.cpuReason ? null : node.cpu * 100, "cpu", cores ? `${cores} core${cores === 1 ? "" : "s"}` : "");
  memory.write(node.memory.total ? node.memory.usage : null, "memory", `${bytes(node.memory.used)} of ${bytes(node.memory.total)}`, cacheOf(node));
  disk.write(node.disk.total ? node.disk.usage : null, "disk", `${bytes(node.disk.used)} of ${bytes(node.disk.total)}`);
}

/** The part of the used memory that is the cache of ZFS, with its words; nothing where there is none or it is not known. */
function cacheOf({ arcBytes, memory }) {
  if (!arcBytes || !memory.used) return undefined;
  return { share: arcBytes / memory.used, text: `of which ZFS cache ${bytes(arcBytes)}` };
}

function factsOf(node, hasOneInstance) {
  const version = node.pveVersion.match(/\d+\.\d+(\.\d+)*/)?.[0] ?? "";
  const parts = [hasOneInstance ? "" : node.instance, version && `PVE ${version}`, node.uptime > 0 && `up ${uptime(node.uptime)}`];
  return printable(parts.filter(Boolean).join(" · "));
}

function silence(node, now) {
  const seen = instant(node.lastSeen);
  if (seen === null) return "It has not answered since Pulse knows it.";
  return `Last seen ${clock(seen, now)}, ${duration(elapsed(seen, now))} ago.`;
}

/** One figure of a card: word, of what, percentage and, under them, the bar, of whose filling a part may have words of its own. */
function makeMeter(label) {
  const bar = makeBar();
  const [number, detail] = [make("span", { class: "number" }), make("span", { class: "detail" })];
  const link = make("a", { class: "number-link", title: `Where does ${label} come from?` }, number, make("span", { class: "aside" }, `, ${label}: where does it come from?`));
  const partText = make("span", { class: "aside" });
  const figures = make("dd", {}, detail, link, partText);
  const root = make("div", { class: "meter" }, make("dt", {}, label), figures, make("dd", { class: "meter-bar" }, bar.bar));
  const write = (value, kind, text, part = { share: 0, text: "" }) => {
    const word = value === null ? "" : level(value, kind);
    bar.set(value ?? 0, word, part.share);
    setText(partText, part.text);
    setTitle(root, part.text);
    setData(number, "level", word);
    setText(number, value === null ? UNKNOWN : percent(value));
    setText(detail, value === null ? "" : text);
  };
  return { root, write, link };
}

/** Draws the mail gateways; without one there is no word of them. */
export function drawGateways(state, now) {
  const gateways = [...state.pmg.values()];
  find("mail").hidden = gateways.length === 0;
  const told = gateways.map((gateway) => ({ gateway, concerns: concernsOf(state, gateway.id), now }));
  keep(find("gateways"), told, ({ gateway }) => gateway.id, makeGateway);
}

const MAIL_FIGURES = [["countIn", "in"], ["countOut", "out"], ["spamIn", "spam"], ["virusIn", "viruses"], ["bouncesIn", "bounces"]];

function makeGateway() {
  const svg = icon("unknown");
  const word = make("span");
  const status = make("span", { class: "status" }, svg, word);
  const name = make("a", { class: "card-name" }, make("bdi"));
  const facts = make("p", { class: "card-facts quiet" });
  const nodes = make("ul", { class: "mail-nodes" });
  const problems = makeProblemLine();
  const foot = make("p", { class: "card-foot quiet" });
  const root = make("li", { class: "card" }, make("div", { class: "card-head" }, name, status), facts, nodes, problems.root, foot);
  const write = ({ gateway, concerns, now }) => {
    problems.write(concerns, panelAddress(gateway.id));
    const state = gateway.status !== "online" ? "offline" : gateway.stale ? "stale" : "online";
    const [iconName, text] = NODE_STATES[state];
    setData(root, "state", state);
    status.dataset.status = state === "online" ? "running" : state;
    setIcon(svg, iconName);
    setText(word, state === "stale" ? age(minutesSince(gateway.lastSeen, now)) : text);
    setText(name.firstElementChild, printable(gateway.name));
    name.setAttribute("href", panelAddress(gateway.id));
    setText(facts, gatewayFacts(gateway, now));
    keep(nodes, gateway.nodes, (node) => node.name, makeMailNode);
    const told = MAIL_FIGURES.filter(([key]) => key in (gateway.statistics ?? {})).map(([key, label]) => `${gateway.statistics[key]} ${label}`);
    setText(foot, told.length ? `Since midnight: ${told.join(", ")}` : "");
  };
  return { root, write };
}

function gatewayFacts(gateway, now) {
  if (gateway.nodes.length === 0) return silence(gateway, now);
  const version = gateway.nodes.map((node) => /\d+\.\d+(\.\d+)*/.exec(node.version)?.[0]).find(Boolean);
  return printable([version && `PMG ${version}`, counted(gateway.nodes.length, "node")].filter(Boolean).join(" · "));
}

function makeMailNode() {
  const svg = icon("running");
  const name = make("bdi", { class: "name" });
  const status = make("span", { class: "status" }, svg, name);
  const [load, queues] = [make("span"), make("span", { class: "queues" })];
  const root = make("li", {}, status, load, queues);
  const write = (node) => {
    const isDown = node.status !== "online";
    status.dataset.status = isDown ? "offline" : "running";
    setIcon(svg, isDown ? "offline" : "running");
    setText(name, printable(node.name));
    const memory = node.memory ? `, memory ${percent(node.memory.usage)}` : "";
    const cpu = node.cpu === null ? "online" : `CPU ${percent(node.cpu * 100)}`;
    setText(load, isDown ? `offline${node.error ? `: ${printable(node.error)}` : ""}` : `${cpu}${memory}${node.inSync === false ? ", out of step" : ""}`);
    const waiting = Object.entries(node.queues).map(([queue, total]) => `${printable(queue)} ${total}`);
    setText(queues, waiting.length ? `Queues: ${waiting.join(", ")}` : isDown ? "" : "Queues not read yet");
  };
  return { root, write };
}

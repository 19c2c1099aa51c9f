// What Pulse may see on one host, with the lines that repair it, and what reading the host costs. Loaded when asked for.

import { bytes, duration, instant, printable, UNKNOWN } from "./format.js";
import { badge, find, icon, make, request, setText, toast } from "./page.js";
import { fullTime, reasonText, sentence, since } from "./words.js";

const STATES = {
  ok: { word: "allowed", icon: "ok", tone: "ok" },
  partial: { word: "in part", icon: "problem", tone: "warn" },
  missing: { word: "missing", icon: "offline", tone: "bad" },
};

let asked = 0;

/** Shows what the account of a connection may see, and how its lanes are. */
export function showAccess(instance) {
  const ticket = (asked += 1);
  setText(find("access-title"), `What may Pulse see on ${printable(instance.name)}?`);
  fill(find("permissions"), waiting("Asking the host what the account may see…"));
  fill(find("lanes"), waiting("Reading…"));
  find("node-access").showModal();
  const path = `/api/config/nodes/${encodeURIComponent(instance.id)}/permissions`;
  load(ticket, path, "permissions", (answer) => permissionsOf(answer, instance));
  load(ticket, `/api/diagnostics/${encodeURIComponent(instance.id)}`, "lanes", lanesOf);
}

async function load(ticket, path, name, contentOf) {
  let content;
  try {
    content = contentOf(await request("GET", path));
  } catch (error) {
    content = [notice("bad", printable(error.message))];
  }
  if (ticket === asked) fill(find(name), content);
}

function fill(place, content) {
  place.replaceChildren(...content);
}

function waiting(text) {
  return [make("p", { class: "quiet" }, text)];
}

function notice(tone, ...content) {
  return make("div", { class: "notice", "data-state": tone }, icon("problem"), make("div", {}, ...content));
}

// --- Permissions -------------------------------------------------------------------------------------------------

function permissionsOf({ account, version, features, repair, userRepair }, instance) {
  const told = make("p", { class: "quiet" }, `The account ${printable(account)} on version ${printable(version)}, asked just now.`);
  if (features.length === 0) {
    const text = instance.type === "pmg" ? "A mail gateway knows roles only: with the role Auditor the user sees everything that Pulse asks for." : "The host tells no permission of this account.";
    return [told, make("p", {}, text)];
  }
  const needed = features.filter((one) => !one.optional);
  const optional = features.filter((one) => one.optional);
  const isWhole = needed.every((one) => one.state === "ok");
  const content = [told, isWhole ? make("p", {}, badge(STATES.ok, "Everything that Pulse needs is allowed.")) : ""];
  const own = linesOf(needed, "repair", repair);
  const others = linesOf(needed, "userRepair", userRepair);
  if (own.length) content.push(block("To run on the host as root", own, others.length ? "" : textsOf(needed, "caution")));
  if (others.length) content.push(block("For the user of the token, only where it has not these rights already", others, textsOf(needed, "userNote", "caution")));
  content.push(matrix("What the account needs", needed));
  if (optional.length) {
    const lines = linesOf(optional, "repair", null);
    const userLines = linesOf(optional, "userRepair", null);
    content.push(make("h3", {}, "Optional"), matrix("What is optional", optional));
    if (lines.length) content.push(block("To allow the optional ones as well", lines, textsOf(optional, "note", userLines.length ? "" : "caution")));
    if (userLines.length) content.push(block("The same for the user of the token", userLines, textsOf(optional, "userNote", "caution")));
  }
  return content;
}

/** Returns the lines of these features, each once, in the order in which the server has put all of them together. */
function linesOf(features, name, together) {
  const wanted = new Set(features.filter((one) => one.state !== "ok").flatMap((one) => one[name]));
  const ordered = (together ?? []).filter((line) => wanted.has(line));
  return [...ordered, ...[...wanted].filter((line) => !ordered.includes(line))];
}

/** Returns what these keys of the features that have lines say, each text once. */
function textsOf(features, ...names) {
  const withLines = features.filter((one) => one.repair.length || one.userRepair.length);
  return [...new Set(names.flatMap((name) => withLines.map((one) => one[name] ?? "")))].filter(Boolean).join(" ");
}

function matrix(caption, features) {
  const rows = features.map((one) => {
    const missing = one.paths.filter((path) => path.missing.length).map((path) => make("div", { class: "mono" }, printable(`${path.path}: ${path.missing.join(", ")}`)));
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, printable(one.title)),
      make("td", {}, badge(STATES[one.state] ?? STATES.missing)),
      make("td", {}, ...(missing.length ? missing : [UNKNOWN])),
      make("td", {}, one.state === "ok" ? make("span", { class: "quiet" }, printable(one.why)) : `Not shown: ${printable(one.without)}`, one.state === "ok" ? "" : make("details", {}, make("summary", {}, one.note ? "Why, and what it opens" : "Why"), make("p", {}, printable(`${one.why} ${one.note}`.trim())))),
    );
  });
  return sheet(caption, ["Feature", "State", "Missing", "What it means"], rows);
}

function sheet(caption, columns, rows) {
  const head = make("tr", {}, ...columns.map((name) => make("th", { scope: "col", class: name.startsWith("#") ? "figures" : undefined }, name.replace("#", ""))));
  const table = make("table", { class: "small-table" }, make("caption", { class: "aside" }, caption), make("thead", {}, head), make("tbody", {}, ...rows));
  return make("div", { class: "small-sheet", tabindex: "0", role: "region", "aria-label": caption }, table);
}

/** Lines to copy; the button says so when they are in the clipboard, and marks them where there is none. */
function block(title, lines, caution) {
  const text = make("pre", { tabindex: "0", "aria-label": title }, lines.map(printable).join("\n"));
  const button = make("button", { type: "button", class: "button" }, icon("copy"), make("span", {}, "Copy"), make("span", { class: "aside" }, ` ${title}`));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(lines.join("\n"));
      toast("The lines are copied.");
    } catch {
      getSelection().selectAllChildren(text); // no clipboard outside HTTPS and localhost
      toast("This browser gives no clipboard here: the lines are marked, press Ctrl+C.");
    }
  });
  return make("div", { class: "repair" }, make("div", { class: "part-head" }, make("h3", {}, title), button), text, caution ? make("p", { class: "quiet small" }, printable(caution)) : "");
}

// --- Lanes and cost ----------------------------------------------------------------------------------------------

function lanesOf(entry) {
  const now = Date.now();
  const { cost } = entry;
  const failing = entry.lanes.filter((lane) => lane.failing);
  const content = [make("p", {}, costText(cost))];
  if (instant(cost.slowedAt) !== null) content.push(notice("warn", make("p", {}, `The host answered slowly: Pulse asked less of it ${since(cost.slowedAt, now)} ago.`)));
  for (const lane of failing) content.push(notice("warn", make("p", {}, failureText(lane, now))));
  const rows = entry.lanes.map((lane) => laneRow(lane, cost.lanes[lane.lane], cost.minutes, now));
  content.push(sheet("Lanes and what they cost", ["Lane", "State", "#Read", "Newest", "Oldest", "#Calls/min", "#Bytes/min", "#Time/min", "#4xx", "#5xx"], rows));
  return content;
}

function costText(cost) {
  const wrong = [cost.refused && `${cost.refused} refused (4xx)`, cost.broken && `${cost.broken} failed (5xx)`, cost.unanswered && `${cost.unanswered} without an answer`].filter(Boolean);
  const sums = `${cost.callsPerMinute} calls, ${bytes(cost.bytesPerMinute)} and ${spanText(cost.secondsPerMinute)} of waiting each minute, over the last ${cost.minutes} minutes`;
  return `${sums}${wrong.length ? `; of the calls ${wrong.join(", ")}` : ""}.`;
}

function spanText(seconds) {
  return seconds < 10 ? `${Math.round(seconds * 1000)}\u202fms` : duration(seconds);
}

function failureText(lane, now) {
  const oldest = instant(lane.oldestRead);
  const span = oldest === null ? "never collected" : `not collected since ${fullTime(oldest)}, ${since(oldest, now)} ago`;
  const part = lane.subjects > 1 ? ` for ${lane.failing} of ${lane.subjects}` : "";
  return `${sentence(printable(lane.lane)).replace(/\.$/, "")}${part}: ${span}. ${sentence(lane.message ? printable(lane.message) : reasonText(lane.code))}`;
}

function laneRow(lane, cost, minutes, now) {
  const state = lane.failing ? badge({ word: "failing", icon: "problem", tone: "warn" }) : lane.read ? badge({ word: "read", icon: "ok", tone: "ok" }) : badge({ word: "waiting", icon: "clock", tone: "" });
  const when = (text) => (instant(text) === null ? "never" : `${since(text, now)} ago`);
  const figure = (value) => make("td", { class: "figures" }, value);
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, printable(lane.lane)),
    make("td", {}, state),
    figure(`${lane.read} of ${lane.subjects}`),
    make("td", { title: fullTime(lane.newestRead) }, when(lane.newestRead)),
    make("td", { title: fullTime(lane.oldestRead) }, when(lane.oldestRead)),
    figure(cost ? (cost.calls / minutes).toFixed(1) : UNKNOWN),
    figure(cost ? bytes(cost.bytes / minutes) : UNKNOWN),
    figure(cost ? spanText(cost.seconds / minutes) : UNKNOWN),
    figure(cost ? String(cost.refused) : UNKNOWN),
    figure(cost ? String(cost.broken) : UNKNOWN),
  );
}

// Pieces of which the panel of a resource is made: sections, small tables, badges, spans of time.

import { forecastOf, forecastWords } from "./forecast.js";
import { duration, instant, percent, printable, UNKNOWN } from "./format.js";
import { badge, icon, make } from "./page.js";
import { emptyText, fullTime, OUTCOMES, since } from "./words.js";

/** Rows of one small table; what is longer is told as a number. */
const MOST_ROWS = 60;
const DAY_MS = 24 * 3600 * 1000;
const SOON_DAYS = 30;

export function section(title, read, now, ...content) {
  const at = instant(read ?? "");
  const told = at === null ? "" : make("span", { class: "quiet small", title: fullTime(at) }, `read ${since(at, now)} ago`);
  return make("section", { class: "part" }, make("div", { class: "part-head" }, make("h3", {}, title), told), ...content);
}

export function facts(rows) {
  const list = make("dl", { class: "facts-list" });
  for (const [name, value] of rows) {
    if (value === null || value === undefined || value === "") continue;
    list.append(make("div", {}, make("dt", {}, name), make("dd", {}, typeof value === "object" ? value : make("bdi", {}, value))));
  }
  return list;
}

export function quiet(text) {
  return make("p", { class: "quiet" }, text);
}

export function notice(tone, text) {
  return make("div", { class: "notice", "data-state": tone }, icon("problem"), make("p", {}, text));
}

/** A small table: `columns` are names, with "#" before those of figures; rows are lists of texts or elements. */
export function table(caption, columns, rows) {
  const isFigure = columns.map((name) => name.startsWith("#"));
  const head = make("tr", {}, ...columns.map((name, index) => make("th", { scope: "col", class: isFigure[index] ? "figures" : undefined }, name.replace("#", ""))));
  const body = rows.slice(0, MOST_ROWS).map((row) => make(
    "tr",
    {},
    ...row.map((value, index) => make(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : undefined, class: isFigure[index] ? "figures" : undefined }, shown(value))),
  ));
  const more = rows.length > MOST_ROWS ? quiet(`and ${rows.length - MOST_ROWS} more`) : "";
  const name = make("caption", { class: "aside" }, caption);
  return make("div", { class: "small-sheet", tabindex: "0", role: "region", "aria-label": caption }, make("table", { class: "small-table" }, name, make("thead", {}, head), make("tbody", {}, ...body)), more);
}

function shown(value) {
  if (value === null || value === undefined || value === "") return UNKNOWN;
  return typeof value === "object" ? value : make("bdi", {}, String(value));
}

/** Text of a person with its line breaks; nothing in it is markup. */
export function written(text) {
  return make("p", { class: "written" }, text.split(/\r\n|\r|\n/u).map(printable).join("\n"));
}

export function outcomeBadge(name) {
  return badge(OUTCOMES[name] ?? OUTCOMES.unknown);
}

/** What Proxmox says of the end of a task, "" where the badge beside it says the same. */
export function endText({ outcome, status }) {
  return outcome === "ok" ? "" : printable(status);
}

export function ago(at, now, never = UNKNOWN) {
  return at ? make("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, `${since(at, now)} ago`) : never;
}

export function ahead(at, now) {
  return at ? make("time", { datetime: new Date(at).toISOString(), title: fullTime(at) }, at > now ? `in ${duration((at - now) / 1000)}` : "now") : UNKNOWN;
}

export const good = (word) => badge({ word, icon: "ok", tone: "ok" });
export const poor = (word, tone = "warn") => badge({ word, icon: tone === "bad" ? "offline" : "problem", tone });
export const plainly = (word) => badge({ word, icon: "stopped", tone: "" });

/** When something is full, in a few words that have all of it as their title; nothing of what is not, or not yet, forecast. */
export function fullCell(details, part, now) {
  const forecast = forecastOf(details, part);
  const words = forecast?.state === "too_little" ? null : forecastWords(forecast, now);
  if (!words) return "";
  const cell = words.tone ? poor(words.short, words.tone) : make("span", {}, words.short);
  cell.title = words.text;
  return cell;
}

/** Makes columns and rows of a table have when each row is full, where that is told of any; `partOf(index)` names the parts. */
export function withFull(columns, rows, partOf, details, now) {
  const cells = rows.map((_, index) => fullCell(details, partOf(index), now));
  if (!cells.some(Boolean)) return [columns, rows];
  return [[...columns, "Full"], rows.map((row, index) => [...row, cells[index]])];
}

export function taskSection({ tasks, tasksRead }, now) {
  if (!tasks?.length) return section("Tasks", tasksRead, now, quiet("No task is known."));
  const rows = tasks.map((task) => [
    printable(task.kind),
    task.subject ? printable(task.subject) : UNKNOWN,
    outcomeBadge(task.outcome),
    ago(instant(task.started), now),
    task.ended && task.started ? duration((instant(task.ended) - instant(task.started)) / 1000) : UNKNOWN,
    printable(task.user),
    endText(task),
  ]);
  return section("Tasks", tasksRead, now, table("Tasks", ["Task", "On", "Result", "Started", "#Took", "By", "What it says"], rows));
}

/** How a replication job goes; a node that could not be asked leaves it open. */
function replicationBadge({ state, failureCount: failures, read }, now) {
  if (state === "disabled") return plainly("disabled");
  if (state === "failing") return poor(failures ? `${failures} failed` : "failed", "bad");
  if (state === "running") return outcomeBadge("running");
  if (state === "late") return poor("late");
  if (state === "waiting") return plainly("not run yet");
  if (state === "ok") return good("ok");
  const at = instant(read ?? "");
  return badge({ word: at === null ? "unknown, not asked yet" : `unknown, not asked since ${since(at, now)}`, icon: "unknown", tone: "warn" });
}

export function replicationSection(jobs, now) {
  if (!jobs?.length) return null;
  const rows = jobs.map((job) => [
    printable(job.id),
    printable(`${job.source || UNKNOWN} → ${job.target}`),
    replicationBadge(job, now),
    ago(instant(job.lastSync), now, "never"),
    ago(instant(job.lastTry), now, "never"),
    ahead(instant(job.nextSync), now),
    job.error ? printable(job.error) : printable(job.schedule),
  ]);
  return section("Replication", "", now, table("Replication", ["Job", "Way", "State", "Last sync", "Last try", "Next", "What it says"], rows));
}

export function certificateSection({ certificates, certificatesRead }, now, status) {
  if (!certificates?.length) return section("Certificates", certificatesRead, now, quiet(emptyText(certificatesRead, "", status)));
  const rows = certificates.map((one) => {
    const at = instant(one.expires);
    const days = at === null ? null : Math.floor((at - now) / DAY_MS);
    const left = days === null ? UNKNOWN : days < 0 ? poor("expired", "bad") : days < SOON_DAYS ? poor(`${days} days left`) : `${days} days left`;
    return [printable(one.filename), left, fullTime(at), printable(one.subject), make("span", { class: "mono" }, printable(one.fingerprint))];
  });
  return section("Certificates", certificatesRead, now, table("Certificates", ["File", "Left", "Until", "Issued to", "SHA-256"], rows));
}

export function subscriptionText(one) {
  if (!one) return UNKNOWN;
  const word = one.status === "notfound" ? "none" : one.status;
  return printable([word, one.level, one.product, one.nextDue && `until ${one.nextDue}`].filter(Boolean).join(", "));
}

export function pressureSection(one, read, now) {
  if (!one) return null;
  const word = (value) => (value === null || value === undefined ? UNKNOWN : percent(value));
  return section("Pressure", read, now, table("Pressure", ["What waits", "#Some", "#All"], [
    ["CPU", word(one.cpuSome), word(one.cpuFull)],
    ["Memory", word(one.memorySome), word(one.memoryFull)],
    ["Disk", word(one.ioSome), word(one.ioFull)],
  ]));
}

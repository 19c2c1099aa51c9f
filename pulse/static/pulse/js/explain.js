// Where the numbers of a resource come from, as a table: one row per number.

import { bytes, duration, elapsed, instant, percent, printable, rate, UNKNOWN } from "./format.js";
import { make } from "./page.js";
import { MAIL_STATISTICS, secondsText } from "./server-words.js";
import { fullTime, sentence } from "./words.js";

const NAMES = {
  cpu: "CPU",
  memory: "Memory",
  disk: "Disk",
  networkIn: "Net in",
  networkOut: "Net out",
  diskRead: "Disk read",
  diskWrite: "Disk write",
  uptime: "Uptime",
  loadAverage: "Load",
  pressure: "Pressure",
  swap: "Swap",
  used: "Used",
  total: "Total",
  usage: "Usage",
  free: "Free",
};
/** The same at the end of a longer name. */
const LAST_PARTS = { fullAt: "full", loadAverage: "load" };
const COLUMNS = ["Number", "Formula", "What Proxmox told", "Call", "Read", "Source and trust"];
const MOST_LINES = 40;

/** Returns the name of a number for people: `datastores.main.usage` is "main, usage". */
export function nameOf(name) {
  if (Object.hasOwn(NAMES, name)) return NAMES[name];
  const [head, ...parts] = name.split(".");
  if (head === "statistics" && Object.hasOwn(MAIL_STATISTICS, parts[0])) return MAIL_STATISTICS[parts[0]];
  const last = parts.at(-1);
  if (Object.hasOwn(LAST_PARTS, last)) parts[parts.length - 1] = LAST_PARTS[last];
  return printable(parts.join(", ") || name);
}

/** Returns a value of the wire in its unit. */
export function valueText(value, unit) {
  if (value === null || value === undefined) return UNKNOWN;
  if (Array.isArray(value)) return value.length ? value.map((one) => (typeof one === "number" ? one.toFixed(2) : printable(one))).join("  ") : UNKNOWN;
  if (typeof value === "object") return objectText(value, unit);
  if (unit === "instant") return fullTime(value) || UNKNOWN;
  if (typeof value !== "number") return printable(value);
  if (unit.startsWith("fraction")) return percent(value * 100);
  if (unit.startsWith("percent")) return percent(value);
  if (unit === "bytes") return bytes(value);
  if (unit === "bytes per second") return rate(value);
  if (unit === "seconds") return secondsText(value);
  if (unit === "times") return `${value.toFixed(1)} times`;
  return String(value);
}

function objectText(value, unit) {
  if ("used" in value && "total" in value) return value.total ? `${percent(value.usage)}: ${bytes(value.used)} of ${bytes(value.total)}` : UNKNOWN;
  const parts = Object.entries(value).filter(([, one]) => typeof one === "number");
  return parts.map(([name, one]) => `${name.replace(/[A-Z]/gu, (letter) => ` ${letter.toLowerCase()}`)} ${valueText(one, unit)}`).join(", ") || UNKNOWN;
}

/** Returns the lines of the raw fields: `name: value`, lists one line per entry. */
export function rawLines(raw) {
  const lines = [];
  for (const [name, value] of Object.entries(raw)) {
    if (Array.isArray(value) && value.some((one) => typeof one === "object")) {
      lines.push([name, `${value.length}`]);
      for (const one of value) lines.push(["", Object.entries(one ?? {}).filter(([, field]) => field !== "").map(([key, field]) => `${key} ${rawText(field)}`).join(" · ")]);
    } else {
      lines.push([name, rawText(value)]);
    }
  }
  return lines;
}

function rawText(value) {
  if (value === null || value === undefined) return "not told";
  if (typeof value === "number" && Number.isInteger(value)) return value.toLocaleString("en-US").replaceAll(",", "\u202f");
  return printable(typeof value === "object" ? JSON.stringify(value) : value);
}

/** Returns the table; the row of the number that was asked for is marked. */
export function explanation(numbers, asked, now) {
  if (numbers.length === 0) return make("p", { class: "no-rows" }, "Pulse has not read a number of this yet.");
  // The roles say what the elements are also where a phone draws them one under the other.
  const head = make("tr", { role: "row" }, ...COLUMNS.map((text) => make("th", { scope: "col", role: "columnheader" }, text)));
  const rows = numbers.map((number) => row(number, number.name === asked, now));
  return make(
    "table",
    { class: "explanation", role: "table" },
    make("caption", { class: "aside" }, "Where the numbers come from"),
    make("thead", { role: "rowgroup" }, head),
    make("tbody", { role: "rowgroup" }, ...rows),
  );
}

function row(number, isAsked, now) {
  const at = instant(number.readAt);
  const age = at === null ? "never" : `${duration(elapsed(at, now))} ago`;
  const lines = rawLines(number.raw);
  const raw = lines.slice(0, MOST_LINES).map(([name, text]) => make("div", { class: name ? undefined : "deeper" }, name ? make("span", { class: "quiet" }, `${printable(name)} `) : "", make("bdi", {}, text)));
  if (lines.length > MOST_LINES) raw.push(make("div", { class: "quiet" }, `and ${lines.length - MOST_LINES} more`));
  const trust = [number.source && `Source: ${printable(number.source)}`, number.trust && `Trust: ${printable(number.trust)}`].filter(Boolean);
  const note = sentence(printable(number.note));
  return make(
    "tr",
    { role: "row", "data-asked": isAsked || undefined, "data-number": number.name, tabindex: isAsked ? "-1" : undefined },
    make("th", { scope: "row", role: "rowheader" }, make("bdi", {}, nameOf(number.name)), make("span", { class: "worth" }, valueText(number.value, number.unit)), make("span", { class: "quiet small" }, printable(number.unit))),
    cell("Formula", printable(number.formula)),
    cell("What Proxmox told", make("div", { class: "raw" }, ...raw)),
    cell("Call", make("div", { class: "raw" }, ...number.call.split("; ").map((one) => make("div", {}, printable(one))))),
    cell("Read", make("time", { datetime: at === null ? undefined : number.readAt, title: fullTime(number.readAt) }, age)),
    cell("Source and trust", ...trust.map((text) => make("div", { "data-trust": number.trust === "low" ? "low" : undefined }, text)), note ? make("div", {}, note) : "", trust.length || note ? "" : UNKNOWN),
  );
}

function cell(label, ...content) {
  return make("td", { role: "cell", "data-label": label }, ...content);
}

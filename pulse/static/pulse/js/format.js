// Figures and instants as text; pure. "—" stands for what is not known, which is never shown as zero.

export const UNKNOWN = "—";

/** Between a number and its unit: narrow, and never a line break. */
const GAP = "\u202f";

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Characters that draw nothing or turn the reading direction: in a name they can only deceive. */
const HIDDEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f" +
    "\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb]" +
    // Joiners belong into many scripts and emoji; next to plain letters they are only invisible.
    "|(?<=[\\u0020-\\u007e]|^)[\\u200c\\u200d]|[\\u200c\\u200d](?=[\\u0020-\\u007e]|$)",
  "gu",
);

/** Returns a name from outside with every hidden character spelled out, such as `web⟨202E⟩exe`. */
export function printable(text) {
  return String(text).replace(HIDDEN, (character) => {
    return `⟨${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** Returns bytes with a binary unit and two or three digits: `3.2 GiB`, `512 MiB`. */
export function bytes(count) {
  if (!Number.isFinite(count) || count < 0) return UNKNOWN;
  let step = 0;
  let value = count;
  // 999.5 would be drawn as 1000, which is better said in the next unit.
  while (value >= 999.5 && step < BYTE_UNITS.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${digits(value, step === 0)}${GAP}${BYTE_UNITS[step]}`;
}

/** Returns bytes per second; the wire says -1 while a rate is not known. */
export function rate(bytesPerSecond) {
  const text = bytes(bytesPerSecond);
  return text === UNKNOWN ? text : `${text}/s`;
}

/** Returns a percentage of 0 to 100 with two digits: `0.4 %`, `7.3 %`, `42 %`. */
export function percent(value) {
  if (!Number.isFinite(value)) return UNKNOWN;
  return `${digits(Math.max(0, value), false)}${GAP}%`;
}

function digits(value, isWhole) {
  if (isWhole || value >= 9.95 || value === 0) return String(Math.round(value));
  return value.toFixed(1);
}

/** Returns a span of seconds in its two largest units: `12 d 4 h`, `45 s`. */
export function duration(seconds) {
  if (seconds === null || !Number.isFinite(seconds) || seconds < 0) return UNKNOWN;
  const whole = Math.floor(seconds);
  if (whole < MINUTE) return `${whole}${GAP}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}${GAP}min`;
  if (whole < DAY) return pair(whole, HOUR, "h", MINUTE, "min");
  if (whole < 100 * DAY) return pair(whole, DAY, "d", HOUR, "h");
  return `${Math.floor(whole / DAY)}${GAP}d`;
}

function pair(seconds, large, largeUnit, small, smallUnit) {
  const first = Math.floor(seconds / large);
  const second = Math.floor((seconds % large) / small);
  const head = `${first}${GAP}${largeUnit}`;
  return second ? `${head} ${second}${GAP}${smallUnit}` : head;
}

/** Clocks differ by this; what lies further ahead was told by another clock than there is now. */
const AHEAD_MS = 5000;

/** Returns the seconds since an instant; null where it lies ahead: a clock was set back, and nobody knows how long ago it was. */
export function elapsed(at, now) {
  return now - at < -AHEAD_MS ? null : Math.max(0, (now - at) / 1000);
}

/** Returns how old figures are in one word and one unit: `stale`, `7 min old`, `3 h old`, `12 d old`. */
export function age(minutes) {
  if (minutes === null || minutes < 1) return "stale";
  if (minutes < 60) return `${minutes}${GAP}min old`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)}${GAP}h old`;
  return `${Math.floor(minutes / (24 * 60))}${GAP}d old`;
}

/** Returns an uptime; 0 means that the thing does not run. */
export function uptime(seconds) {
  return seconds > 0 ? duration(seconds) : UNKNOWN;
}

/** Returns the milliseconds of an RFC 3339 instant, null for the contract's zero time and for no instant at all. */
export function instant(text) {
  const at = Date.parse(text);
  return Number.isNaN(at) || at <= 0 ? null : at;
}

/** Returns an instant for people, in the zone of the browser: `14:03:20` today, else with its date. */
export function clock(at, now) {
  const date = new Date(at);
  const isToday = new Date(now).toDateString() === date.toDateString();
  const time = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (isToday) return date.toLocaleTimeString("en-GB", time);
  return date.toLocaleString("en-GB", { day: "numeric", month: "short", ...time });
}

/** Returns how full something is, as a word for style sheets: "", "warn" or "bad". */
export function level(value, kind) {
  const [warn, bad] = LEVELS[kind];
  if (value >= bad) return "bad";
  return value >= warn ? "warn" : "";
}

/** Percentages at which a bar changes; those of the original dashboard. */
const LEVELS = { cpu: [80, 90], memory: [75, 85], disk: [80, 90] };

// --- How old the figures of the whole page are, and what is said of it -------------------------------------------------

/** The age of figures from a clock that is ahead of the one there is now: nobody knows it. */
const UNKNOWN_AGE = -1;

/** Returns the seconds since the last news; null while there was none, negative while nobody knows. */
export function ageOf(lastUpdate, now) {
  const at = instant(lastUpdate);
  return at === null ? null : (elapsed(at, now) ?? UNKNOWN_AGE);
}

/**
 * Returns what the indicator says: `connecting` before the first state, `reconnecting` while the line is cut,
 * `stale` when the line holds but nothing new comes over it.
 */
export function liveState({ isLinked, hasState, ageSeconds, limitSeconds }) {
  if (!hasState) return "connecting";
  if (!isLinked) return "reconnecting";
  return ageSeconds !== null && (ageSeconds < 0 || ageSeconds > limitSeconds) ? "stale" : "live";
}

/** Returns what is said of the age of the figures. */
export function liveAge(isOld, ageSeconds) {
  if (ageSeconds === null) return "";
  if (ageSeconds < 0) return "data of unknown age";
  return isOld ? `data ${duration(ageSeconds)} old` : duration(ageSeconds);
}

/** Returns what is wrong when nothing new comes. */
export function staleTitle(ageSeconds) {
  return ageSeconds < 0 ? "No new figures since a clock was set back" : `No new figures for ${duration(ageSeconds)}`;
}

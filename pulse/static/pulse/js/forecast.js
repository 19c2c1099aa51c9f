// When something is full, as people say it; pure.

import { bytes, duration, instant } from "./format.js";

const DAY = 86_400_000;
/** Within so many days it is urgent, or worth a look. */
const [URGENT_DAYS, SOON_DAYS] = [7, 30];

/** Returns a span of milliseconds in the unit in which one would plan: "3 weeks". */
export function about(span) {
  const days = Math.max(1, Math.round(span / DAY));
  if (days < 14) return counted(days, "day");
  if (days < 60) return counted(Math.round(days / 7), "week");
  if (days < 700) return counted(Math.round(days / 30.4), "month");
  return counted(Math.round(days / 365), "year");
}

const counted = (count, unit) => `${count} ${unit}${count === 1 ? "" : "s"}`;

function day(at, now) {
  const isOfThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: isOfThisYear ? undefined : "numeric" });
}

/** Returns `{short, text, tone}` of a forecast: a few words, a sentence, and how urgent it is; null where nothing is told. */
export function forecastWords(forecast, now) {
  if (!forecast || forecast.state === "unknown") return null;
  const { state } = forecast;
  if (state === "full") return { short: "full", text: "It is full.", tone: "bad" };
  if (state === "not_growing") return { short: "not growing", text: shrinking(forecast), tone: "" };
  if (state === "too_little") return { short: "too early to tell", text: `When it is full cannot be told yet: it was seen for ${duration(forecast.seenDays * 86_400)} only.`, tone: "" };
  if (state === "growing") return growing(forecast, now);
  const earliest = instant(forecast.earliest ?? "");
  return { short: "too uncertain", text: `When it is full is too uncertain to tell${earliest === null ? "" : `, hardly before ${day(earliest, now)}`}.`, tone: "" };
}

function shrinking({ bytesPerDay }) {
  return bytesPerDay < 0 ? `It is not growing; it shrinks by ${bytes(-bytesPerDay)} a day.` : "It is not growing.";
}

function growing({ fullAt, earliest, latest, bytesPerDay }, now) {
  const [at, first, last] = [fullAt, earliest, latest].map((one) => instant(one ?? ""));
  const pace = bytesPerDay > 0 ? `, as it grows by ${bytes(bytesPerDay)} a day` : "";
  if (at === null) return { short: "not within 2 years", text: `It will not be full within two years${pace}.`, tone: "" };
  const days = (at - now) / DAY;
  const tone = days < URGENT_DAYS ? "bad" : days < SOON_DAYS ? "warn" : "";
  const bounds = first === null ? "" : last === null ? ` (${day(first, now)} at the earliest)` : ` (between ${day(first, now)} and ${day(last, now)})`;
  const span = about(at - now);
  return { short: `in about ${span}`, text: `Full in about ${span}${bounds}${pace}.`, tone };
}

/** Returns the forecast of a resource, or of a part of it such as `pool:tank`. */
export function forecastOf(details, part = "") {
  return (part ? details?.partForecasts?.[part] : details?.forecast) ?? null;
}

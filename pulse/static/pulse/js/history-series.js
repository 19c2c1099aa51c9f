// The series of a history as charts need them: columns, sums, scales, gaps; pure. null is a gap and never zero.

import { valueText } from "./explain.js";

const BINARY_UNITS = new Set(["bytes", "bytes per second"]);
/** The largest number of steps of a scale. */
const MOST_STEPS = 4;
/** The least that a scale ends at: a machine at rest is not to look like a busy one. */
const LEAST = { percent: 4, bytes: 4096, "bytes per second": 4096, processes: 0.4, count: 4 };
/** Parts of a decade at which a scale may be cut. */
const DECIMAL_STEPS = { percent: [1, 2, 2.5, 5], processes: [1, 2, 5], count: [1, 2, 5] };
/** Steps without a sample after which the newest is not called "now". */
const FRESH_STEPS = 3;
const FRESH_SECONDS = 90;

/** Returns a value in its unit; those without one have a digit or two after the point. */
export function pointText(value, unit) {
  if (value !== null && unit === "processes") return value.toFixed(value < 9.95 ? 2 : 1);
  return value !== null && unit === "count" && !Number.isInteger(value) ? value.toFixed(1) : valueText(value, unit);
}

/** Returns the times of an answer's points in epoch seconds: each is the start of its step. */
export function timesOf({ start, step, count }) {
  return Array.from({ length: count }, (_, index) => start / 1000 + index * step);
}

/** Returns whether any point of a series is known. */
export function isKnown(series) {
  return Boolean(series?.mean.some((value) => value !== null));
}

/** Returns whether anything of an answer is known. */
export function isAnythingKnown({ series }) {
  return Object.values(series).some(isKnown);
}

/** Returns what lies under and above a mean: without bounds of its own the mean is both. */
export function boundsOf(series, index) {
  const mean = series.mean[index];
  return [series.low?.[index] ?? mean, series.high?.[index] ?? mean];
}

/**
 * Returns `{low, high, mean, last, lastIndex, isNow}` of all points of a series, null where none is known. `isNow` says that the newest is
 * as new as the answer.
 */
export function summed({ step, count }, series) {
  let [low, high, sum, known, lastIndex] = [Infinity, -Infinity, 0, 0, -1];
  for (let index = 0; index < count; index += 1) {
    const mean = series?.mean[index] ?? null;
    if (mean === null) continue;
    const [under, above] = boundsOf(series, index);
    low = Math.min(low, under);
    high = Math.max(high, above);
    sum += mean;
    known += 1;
    lastIndex = index;
  }
  if (!known) return null;
  const behind = (count - 1 - lastIndex) * step;
  return { low, high, mean: sum / known, last: series.mean[lastIndex], lastIndex, isNow: behind <= Math.max(FRESH_STEPS * step, FRESH_SECONDS) };
}

/** Returns a series as a sentence: "CPU over the last hour: 3 % to 91 %, 14 % on average, 12 % now." */
export function sentenceOf(label, unit, sums, when) {
  if (!sums) return `${label} ${when}: not known.`;
  const [low, high, mean, last] = [sums.low, sums.high, sums.mean, sums.last].map((value) => pointText(value, unit));
  const range = low === high ? `always ${low}` : `${low} to ${high}, ${mean} on average`;
  return `${label} ${when}: ${range}, ${last} ${sums.isNow ? "now" : "when it was last known"}.`;
}

/** Returns `{top, steps}` of a scale that begins at zero and reaches a value: `steps` are where it is cut. */
export function scaleFor(largest, unit) {
  const wanted = Math.max(largest, LEAST[unit] ?? 1);
  const size = BINARY_UNITS.has(unit) ? binaryStep(wanted) : decimalStep(wanted, DECIMAL_STEPS[unit] ?? [1, 2, 5]);
  const count = Math.ceil(wanted / size - 1e-9);
  return { top: count * size, steps: Array.from({ length: count + 1 }, (_, index) => index * size) };
}

function binaryStep(wanted) {
  return 2 ** Math.ceil(Math.log2(wanted / MOST_STEPS));
}

function decimalStep(wanted, parts) {
  const decade = 10 ** Math.floor(Math.log10(wanted / MOST_STEPS));
  return [...parts, 10].map((part) => part * decade).find((size) => wanted / size <= MOST_STEPS + 1e-9);
}

/** Returns what stands beside the steps of a scale: `8 GiB`, not `8.0 GiB`. */
export function stepTexts(steps, unit) {
  return steps.map((step) => pointText(step, unit).replace(/\.0+(?!\d)/u, ""));
}

/** Returns the largest value of all series that are drawn, 0 where none is known. */
export function largestOf(list) {
  let largest = 0;
  for (const series of list) {
    for (const values of [series.mean, series.high ?? []]) {
      for (const value of values) if (value !== null && value > largest) largest = value;
    }
  }
  return largest;
}

/** Returns the runs of known values, as pairs of their first and last index. */
export function runsOf(values) {
  const runs = [];
  let from = -1;
  values.forEach((value, index) => {
    if (value === null) from = -1;
    else if (from < 0) runs.push([(from = index), index]);
    else runs.at(-1)[1] = index;
  });
  return runs;
}

/** Returns the known values without a neighbour: a line would not show them. */
export function lonely(values) {
  return runsOf(values).filter(([from, to]) => from === to).map(([from]) => from);
}

/** Returns the first instant, in epoch seconds, at which anything of an answer is known; null where nothing is. */
export function firstKnown(answer) {
  const first = Math.min(...Object.values(answer.series).map(({ mean }) => mean.findIndex((value) => value !== null)).filter((index) => index >= 0));
  return Number.isFinite(first) ? answer.start / 1000 + first * answer.step : null;
}

/** Returns the index of the point whose step holds an instant (epoch seconds), null where there is none. */
export function indexAt({ start, step, count }, at) {
  const index = Math.floor((at - start / 1000) / step + 1e-6);
  return index >= 0 && index < count ? index : null;
}

/** Returns the spans that Proxmox's own records fill, in epoch seconds, cut to what is shown. */
export function toldSpans({ start, step, count, told = [] }) {
  const [from, to] = [start / 1000, start / 1000 + step * count];
  return told.map(([first, last]) => [Math.max(from, first / 1000), Math.min(to, last / 1000)]).filter(([first, last]) => first < last);
}

/** Returns whether an instant (epoch seconds) lies in one of the spans. */
export function isWithin(spans, at) {
  return spans.some(([from, to]) => at >= from && at < to);
}

const DAY = 86400;
const parts = (at, options) => new Date(at * 1000).toLocaleString("en-GB", options);

/** Returns what stands under ticks (epoch seconds) that are so many seconds apart; where a day or a year begins, it is named. */
export function tickTexts(ticks, apart) {
  return ticks.map((at) => {
    const date = new Date(at * 1000);
    const isMidnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
    if (apart >= 28 * DAY) return date.getMonth() === 0 ? String(date.getFullYear()) : parts(at, { month: "short" });
    if (apart >= DAY || isMidnight) return parts(at, { day: "numeric", month: "short" });
    return parts(at, { hour: "2-digit", minute: "2-digit", second: apart < 60 ? "2-digit" : undefined, hour12: false });
  });
}

/** Returns an instant (epoch seconds) as exactly as the step of its point makes sense. */
export function timeText(at, step) {
  const day = { weekday: "short", day: "numeric", month: "short" };
  if (step >= DAY / 4) day.year = "numeric";
  return parts(at, { ...day, hour: "2-digit", minute: "2-digit", second: step < 60 ? "2-digit" : undefined, hour12: false });
}

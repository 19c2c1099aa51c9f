// What a small line in a row shows of a series; pure.

import { percent } from "./format.js";
import { runsOf } from "./history-series.js";

/** Lines of machines at rest stay low: the scale ends at this share at least. */
const LEAST_TOP = 20;

/** Returns a Map of ids to `{values, runs, top, count, text}`, made of the columns of `/api/charts`. */
export function linesOf({ data, count }, metric) {
  const lines = new Map();
  for (const [id, { [metric]: values }] of Object.entries(data)) {
    const runs = values ? runsOf(values) : [];
    if (runs.length) lines.set(id, { values, runs, count, ...extent(values) });
  }
  return lines;
}

function extent(values) {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const top = [LEAST_TOP, 50, 100].find((one) => high <= one) ?? high;
  return { top, text: `CPU of the last hour: ${percent(low)} to ${percent(high)}` };
}

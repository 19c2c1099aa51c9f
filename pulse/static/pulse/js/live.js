// How old the figures of the whole page are, and what is said of it; pure.

import { duration, elapsed, instant } from "./format.js";

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

// What happened, as marks on the charts: kinds, shapes and which of them stand together; pure.

/** Kind to its word and its shape, a path in a square of 8. */
export const KINDS = {
  backup: { word: "Backup", path: "M1 1h6v6H1z" },
  migration: { word: "Migration", path: "M1.2.8 7.2 4 1.2 7.2z" },
  restore: { word: "Restore", path: "M6.8.8.8 4l6 3.2z" },
  snapshot: { word: "Snapshot", path: "M4 .8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 1 1 0-6.4z" },
  power: { word: "Power", path: "M4 .8 7.6 7.2H.4z" },
  configuration: { word: "Configuration", path: "M4 .2 7.8 4 4 7.8.2 4z" },
  task: { word: "Task", path: "M3 .8h2V3h2.2v2H5v2.2H3V5H.8V3H3z" },
  blind: { word: "Not watched", path: "M1 3h6v2H1z" },
};
/** What is drawn as a ground of its own instead of a mark: a time in which nothing was seen. */
const BLIND = "blind";
/** How an event ended: the tone in which it is drawn, and what stands above what where many are at one place. */
const TONES = { failed: "bad", warning: "warn" };
const RANKS = { bad: 2, warn: 1, "": 0 };

/** Returns the word and the shape of a kind; one that the page does not know is a task. */
export const kindOf = ({ kind }) => (Object.hasOwn(KINDS, kind) ? KINDS[kind] : KINDS.task);

/** Returns in which tone an event is drawn. */
export const toneOf = ({ outcome }) => (Object.hasOwn(TONES, outcome) ? TONES[outcome] : "");

/** Returns the events with the newest first. */
export function ordered(events) {
  return [...events].sort((a, b) => b.start - a.start);
}

/**
 * Returns the marks `{at, shape, tone, count}` of events, `at` in pixels by `place(event)`: those that would touch are one, which looks
 * like the worst of them. What lies outside of the width has none.
 */
export function marksOf(events, place, width, apart) {
  const marks = [];
  for (const event of events.filter(({ kind }) => kind !== BLIND).sort((a, b) => a.start - b.start)) {
    const at = place(event);
    if (!(at >= 0 && at <= width)) continue;
    const last = marks.at(-1);
    const tone = toneOf(event);
    if (!last || at - last.at >= apart) marks.push({ at, shape: kindOf(event).path, tone, count: 1 });
    else {
      last.count += 1;
      if (RANKS[tone] > RANKS[last.tone]) Object.assign(last, { tone, shape: kindOf(event).path });
    }
  }
  return marks;
}

/** Returns the times in which nothing was seen, in epoch seconds, cut to a span; one without an end lasts. */
export function blindSpans(events, { start, end }) {
  const blind = events.filter(({ kind }) => kind === BLIND);
  return blind.map((one) => [Math.max(start, one.start / 1000), Math.min(end, one.end === null ? end : one.end / 1000)]).filter(([from, to]) => from < to);
}

/** Returns the events that begin within so many seconds of an instant, or that are a blind time about it; in epoch seconds. */
export function eventsNear(events, at, seconds) {
  const isNear = ({ kind, start, end }) => Math.abs(start / 1000 - at) <= seconds || (kind === BLIND && start / 1000 <= at && (end === null || end / 1000 > at));
  return events.filter(isNear);
}

// Which span of time the charts show: ranges, zooming and moving; pure. Instants are epoch seconds.

/** What can be chosen: the name that the API knows, the word, and the seconds. */
export const RANGES = [
  ["1h", "1 h", 3600],
  ["4h", "4 h", 4 * 3600],
  ["12h", "12 h", 12 * 3600],
  ["24h", "24 h", 24 * 3600],
  ["7d", "7 d", 7 * 86400],
  ["30d", "30 d", 30 * 86400],
  ["90d", "90 d", 90 * 86400],
  ["1y", "1 y", 365 * 86400],
  ["2y", "2 y", 730 * 86400],
];
const SECONDS = Object.fromEntries(RANGES.map(([name, , seconds]) => [name, seconds]));
const WORDS = { "1h": "hour", "24h": "24 hours", "4h": "4 hours", "12h": "12 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "1y": "year", "2y": "2 years" };

/** The first of them is shown until somebody chooses. */
export const FIRST_RANGE = RANGES[0][0];
export const LONGEST_RANGE = RANGES.at(-1)[0];
/** Longer ranges do not follow the newest sample: one more would move nothing that can be seen. */
const LONGEST_LIVE_SECONDS = 24 * 3600;
/** The shortest span that can be looked at: six samples. */
const SHORTEST_SECONDS = 60;
/** Bounds of how many points are asked for. */
const [FEWEST_POINTS, MOST_POINTS] = [60, 1000];

/** Returns whether a range of this name can be chosen: what the browser keeps may be anything. */
export const isRange = (name) => Object.hasOwn(SECONDS, name);

/** Returns a view: a range, and no span within it. `spans` are those that were zoomed into, the last one is shown. */
export const viewOf = (range) => ({ range, spans: [] });

/** Returns the span `{start, end}` that the view shows at this instant. */
export function spanOf({ range, spans }, now) {
  return spans.at(-1) ?? { start: now - SECONDS[range], end: now };
}

/** Returns the view with this span of it shown; one that is too short becomes a minute about its middle. */
export function zoomed(view, start, end, now) {
  const before = spanOf(view, now);
  const middle = (start + end) / 2;
  const half = Math.max(Math.abs(end - start), SHORTEST_SECONDS) / 2;
  const span = { start: Math.round(middle - half), end: Math.round(middle + half) };
  return span.end - span.start >= before.end - before.start ? view : { ...view, spans: [...view.spans, span] };
}

/** Returns the view with half of its span shown: about an instant, or the newest half. */
export function closer(view, now, at = null) {
  const { start, end } = spanOf(view, now);
  const half = (end - start) / 2;
  const from = at === null ? end - half : Math.min(Math.max(start, at - half / 2), end - half);
  return zoomed(view, from, from + half, now);
}

/** Returns the view before it was zoomed last. */
export function back(view) {
  return { ...view, spans: view.spans.slice(0, -1) };
}

/** Returns the view of half a span earlier (-1) or later (1); what lies ahead of now is not there. */
export function moved(view, direction, now) {
  const { start, end } = spanOf(view, now);
  const length = end - start;
  const last = Math.min(now, end + (direction * length) / 2);
  const span = { start: Math.round(last - length), end: Math.round(last) };
  return { ...view, spans: [...view.spans.slice(0, -1), span] };
}

/** Returns whether the newest sample is to be followed. */
export function isLive({ range, spans }) {
  return spans.length === 0 && SECONDS[range] <= LONGEST_LIVE_SECONDS;
}

/** Returns whether something later than the view can be shown. */
export function hasLater(view, now) {
  return view.spans.length > 0 && spanOf(view, now).end < now - 1;
}

/** Returns how many points a chart of this width needs: no more than it has pixels. */
export function pointsFor(pixels) {
  return Math.min(MOST_POINTS, Math.max(FEWEST_POINTS, Math.floor(pixels)));
}

/** Returns the query of a view: what to ask the API for. */
export function queryOf({ range, spans }, points, others = {}) {
  const span = spans.at(-1);
  const times = span ? { start: span.start, end: span.end } : { range };
  const query = new URLSearchParams({ ...times, points });
  for (const [name, value] of Object.entries(others)) if (value) query.set(name, value);
  return String(query);
}

/** Returns the view as part of a sentence: "over the last 24 hours", "in this span". */
export function viewText({ range, spans }) {
  return spans.length ? "in this span" : `over the last ${WORDS[range]}`;
}

import assert from "node:assert/strict";
import { test } from "node:test";

import { back, closer, hasLater, isLive, isRange, moved, pointsFor, queryOf, RANGES, spanOf, viewOf, viewText, zoomed } from "../../pulse/static/pulse/js/history-ranges.js";

const NOON = 1_767_268_800;

test("nine ranges can be chosen, and nothing that only looks like one", () => {
  assert.deepEqual(RANGES.map(([name]) => name), ["1h", "4h", "12h", "24h", "7d", "30d", "90d", "1y", "2y"]);
  assert.equal(isRange("30d"), true);
  for (const other of ["5m", "", null, "toString", 7]) assert.equal(isRange(other), false);
});

test("a range ends now and is asked for by its name", () => {
  const view = viewOf("4h");

  assert.deepEqual(spanOf(view, NOON), { start: 1_767_254_400, end: 1_767_268_800 });
  assert.equal(queryOf(view, 400), "range=4h&points=400");
});

test("what is zoomed into is asked for by its ends, and back is the view before", () => {
  const once = zoomed(viewOf("24h"), NOON - 7200, NOON - 3600, NOON);
  const twice = zoomed(once, NOON - 6000, NOON - 5400, NOON);

  assert.equal(queryOf(once, 500, { part: "pool:tank", metric: "" }), "start=1767261600&end=1767265200&points=500&part=pool%3Atank");
  assert.deepEqual(spanOf(twice, NOON), { start: 1_767_262_800, end: 1_767_263_400 });
  assert.deepEqual(spanOf(back(twice), NOON), spanOf(once, NOON));
  assert.deepEqual(back(once), viewOf("24h"));
});

test("a span from right to left is the same, and one of seconds becomes a minute", () => {
  const view = viewOf("1h");

  assert.deepEqual(spanOf(zoomed(view, NOON - 600, NOON - 900, NOON), NOON), { start: NOON - 900, end: NOON - 600 });
  assert.deepEqual(spanOf(zoomed(view, NOON - 604, NOON - 600, NOON), NOON), { start: NOON - 632, end: NOON - 572 });
});

test("a view that would show no less stays the same object", () => {
  const view = viewOf("1h");
  const minute = zoomed(view, NOON - 60, NOON, NOON);

  assert.equal(zoomed(view, NOON - 7200, NOON, NOON), view);
  assert.equal(closer(minute, NOON), minute);
});

test("closer is half of it: the newest, or about an instant and within what was shown", () => {
  const view = viewOf("1h");

  assert.deepEqual(spanOf(closer(view, NOON), NOON), { start: NOON - 1800, end: NOON });
  assert.deepEqual(spanOf(closer(view, NOON, NOON - 1800), NOON), { start: NOON - 2700, end: NOON - 900 });
  assert.deepEqual(spanOf(closer(view, NOON, NOON - 3590), NOON), { start: NOON - 3600, end: NOON - 1800 });
});

test("earlier and later go by half of the span, never past now, and are one step back", () => {
  const earlier = moved(viewOf("1h"), -1, NOON);

  assert.deepEqual(spanOf(earlier, NOON), { start: NOON - 5400, end: NOON - 1800 });
  assert.deepEqual(spanOf(moved(moved(earlier, 1, NOON), 1, NOON), NOON), { start: NOON - 3600, end: NOON });
  assert.deepEqual(back(moved(earlier, -1, NOON)), viewOf("1h"));
  assert.equal(hasLater(earlier, NOON), true);
  assert.equal(hasLater(viewOf("1h"), NOON), false);
});

test("a day and less follow the newest sample, unless somebody looks at a part of it", () => {
  assert.deepEqual(RANGES.map(([name]) => name).filter((name) => isLive(viewOf(name))), ["1h", "4h", "12h", "24h"]);
  assert.equal(isLive(closer(viewOf("1h"), NOON)), false);
});

test("no more points are asked for than there are pixels", () => {
  assert.equal(pointsFor(399.6), 399);
  assert.equal(pointsFor(12), 60);
  assert.equal(pointsFor(3000), 1000);
});

test("a view is part of a sentence", () => {
  assert.equal(viewText(viewOf("1h")), "over the last hour");
  assert.equal(viewText(viewOf("30d")), "over the last 30 days");
  assert.equal(viewText(closer(viewOf("1h"), NOON)), "in this span");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { blindSpans, eventsNear, KINDS, kindOf, marksOf, ordered, toneOf } from "../../pulse/static/pulse/js/history-events.js";

const event = (start, kind = "task", outcome = "ok", end = null) => ({ kind, code: kind, text: "", outcome, start, end });
const place = ({ start }) => start / 1000;

test("every kind has a shape of its own, and an unknown one is a task", () => {
  const shapes = Object.values(KINDS).map(({ path }) => path);

  assert.equal(new Set(shapes).size, 8);
  assert.equal(kindOf(event(0, "toString")), KINDS.task);
  assert.equal(kindOf(event(0, "backup")), KINDS.backup);
});

test("only what went wrong has a tone", () => {
  assert.deepEqual(["ok", "", "running", "warning", "failed", "constructor"].map((outcome) => toneOf({ outcome })), ["", "", "", "warn", "bad", ""]);
});

test("marks that would touch are one, which looks like the worst of them", () => {
  const events = [event(14_000, "power", "warning"), event(10_000, "backup"), event(18_000, "migration", "failed"), event(90_000, "snapshot"), event(95_000)];

  assert.deepEqual(marksOf(events, place, 100, 9), [
    { at: 10, shape: KINDS.migration.path, tone: "bad", count: 3 },
    { at: 90, shape: KINDS.snapshot.path, tone: "", count: 2 },
  ]);
});

test("what lies outside has no mark", () => {
  assert.deepEqual(marksOf([event(-1000), event(101_000)], place, 100, 9), []);
});

test("a time in which nothing was seen is a span and no mark", () => {
  const events = [event(10_000, "blind", "", 20_000), event(50_000, "blind"), event(1000, "blind", "", 2000)];

  assert.deepEqual(marksOf(events, place, 100, 9), []);
  assert.deepEqual(blindSpans(events, { start: 15, end: 60 }), [[15, 20], [50, 60]]);
});

test("near an instant is what began about then, and a blind time that holds it", () => {
  const events = [event(10_000), event(13_000), event(1000, "blind", "", 12_000), event(2000, "blind", "", 3000)];

  assert.deepEqual(eventsNear(events, 11, 1.5).map(({ start }) => start), [10_000, 1000]);
});

test("the newest is listed first", () => {
  assert.deepEqual(ordered([event(1), event(3), event(2)]).map(({ start }) => start), [3, 2, 1]);
});

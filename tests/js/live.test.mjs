import assert from "node:assert/strict";
import { test } from "node:test";

import { ageOf, liveAge, liveState, staleTitle } from "../../pulse/static/pulse/js/format.js";

const GAP = "\u202f";
const NOON = "2026-01-01T12:00:00Z";
const after = (seconds) => Date.parse(NOON) + seconds * 1000;
const said = (seconds) => {
  const ageSeconds = ageOf(NOON, after(seconds));
  const state = liveState({ isLinked: true, hasState: true, ageSeconds, limitSeconds: 30 });
  return [state, liveAge(state === "stale", ageSeconds)];
};

test("figures that are a little old are live, and tell their age", () => {
  assert.deepEqual(said(0), ["live", `0${GAP}s`]);
  assert.deepEqual(said(12), ["live", `12${GAP}s`]);
  assert.deepEqual(said(-2), ["live", `0${GAP}s`]);
});

test("figures that are too old are stale", () => {
  assert.deepEqual(said(31), ["stale", `data 31${GAP}s old`]);
  assert.deepEqual(said(86400), ["stale", `data 1${GAP}d old`]);
});

test("figures of the future are stale, and nobody knows how old they are", () => {
  for (const seconds of [-6, -3600, -86400]) assert.deepEqual(said(seconds), ["stale", "data of unknown age"]);
  assert.equal(staleTitle(-1), "No new figures since a clock was set back");
  assert.equal(staleTitle(90), `No new figures for 1${GAP}min`);
});

test("before the first figures there is no age", () => {
  assert.equal(ageOf("0001-01-01T00:00:00Z", after(0)), null);
  assert.equal(liveAge(false, null), "");
  assert.equal(liveState({ isLinked: true, hasState: true, ageSeconds: null, limitSeconds: 30 }), "live");
});

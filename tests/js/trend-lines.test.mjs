import assert from "node:assert/strict";
import { test } from "node:test";

import { linesOf } from "../../pulse/static/pulse/js/trend-lines.js";

test("a line has its runs, and a scale that lets machines at rest look so", () => {
  const lines = linesOf({ count: 4, data: { a: { cpu: [3, null, 5, 4] }, b: { cpu: [30, 60, 70, 80] }, c: { cpu: [160, null, null, 20] } } }, "cpu");

  assert.deepEqual(lines.get("a"), { values: [3, null, 5, 4], runs: [[0, 0], [2, 3]], count: 4, top: 20, text: "CPU of the last hour: 3.0\u202f% to 5.0\u202f%" });
  assert.equal(lines.get("b").top, 100);
  assert.equal(lines.get("c").top, 160);
});

test("a guest of which nothing is known has no line", () => {
  const lines = linesOf({ count: 2, data: { a: { cpu: [null, null] }, b: {} } }, "cpu");

  assert.deepEqual([...lines.keys()], []);
});

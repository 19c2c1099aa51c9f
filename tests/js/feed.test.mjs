import assert from "node:assert/strict";
import { test } from "node:test";

import { waitSeconds } from "../../pulse/static/pulse/js/feed.js";

test("the first tries follow soon, and no try at once", () => {
  assert.deepEqual([waitSeconds(0, 0), waitSeconds(0, 1)], [0.5, 1]);
  assert.deepEqual([waitSeconds(3, 0), waitSeconds(3, 1)], [0.5, 8]);
});

test("no page waits longer than half a minute, and of many each has a wait of its own", () => {
  assert.deepEqual([waitSeconds(50, 0), waitSeconds(50, 0.5), waitSeconds(50, 1)], [0.5, 15.25, 30]);
});

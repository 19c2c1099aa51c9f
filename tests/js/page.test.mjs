import assert from "node:assert/strict";
import { test } from "node:test";

import { HOME, urlOf } from "../../pulse/static/pulse/js/page.js";

// Here the scripts lie under a folder `pulse`, as they do behind a proxy that shows Pulse under /pulse.
test("the start page is three folders above the scripts", () => {
  assert.match(HOME, /\/pulse\/$/);
});

test("an address is under the start page, once", () => {
  assert.equal(urlOf("/api/state"), `${HOME}api/state`);
  assert.equal(urlOf("/"), HOME);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { forget, HOME, signInIfRefused, urlOf } from "../../pulse/static/pulse/js/page.js";

// Here the scripts lie under a folder `pulse`, as they do behind a proxy that shows Pulse under /pulse.
test("the start page is three folders above the scripts", () => {
  assert.match(HOME, /\/pulse\/$/);
});

test("an address is under the start page, once", () => {
  assert.equal(urlOf("/api/state"), `${HOME}api/state`);
  assert.equal(urlOf("/"), HOME);
});

/** Puts a storage in the place of the browser's. */
function keepIn(entries) {
  const storage = { ...entries };
  Object.defineProperty(storage, "removeItem", { value: (key) => delete storage[key] });
  globalThis.localStorage = storage;
  return storage;
}

test("what the page keeps is forgotten, and nothing of others at the same address", () => {
  const storage = keepIn({ "pulse.collapsed": '["lab-pve1"]', "pulse.other": "x", theme: "dark", pulsea: "y" });

  forget();

  assert.deepEqual({ ...storage }, { theme: "dark", pulsea: "y" });
});

test("a browser that keeps nothing is no problem", () => {
  Object.defineProperty(globalThis, "localStorage", { configurable: true, get: () => { throw new Error("denied"); } });

  assert.doesNotThrow(forget);
});

test("who is refused goes to the sign-in and leaves nothing behind", async () => {
  delete globalThis.localStorage;
  const storage = keepIn({ "pulse.collapsed": "[]" });
  const gone = [];
  globalThis.location = { pathname: "/pulse/simple-stats", search: "?a=1", assign: (address) => gone.push(address) };
  const answers = [200, 503, 401];
  globalThis.fetch = async () => ({ status: answers.shift() });

  await signInIfRefused();
  await signInIfRefused();
  assert.deepEqual([gone, Object.keys(storage)], [[], ["pulse.collapsed"]]);
  await signInIfRefused();

  assert.deepEqual(gone, [`${HOME}login?next=%2Fpulse%2Fsimple-stats%3Fa%3D1`]);
  assert.deepEqual(Object.keys(storage), []);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { backfillOf, instanceOf, isAnyOpen } from "../../pulse/static/pulse/js/backfills.js";

const NOON = Date.parse("2026-01-01T12:00:00Z");
const one = (others) => ({ id: 4, instanceId: "pve-0", instanceName: "lab", reason: "added", state: "running", done: 34, total: 210, failed: 0, message: "", created: "2026-01-01T11:00:00Z", ended: null, ...others });

test("what is being read says why and how far it has come", () => {
  assert.deepEqual(backfillOf([one()], "lab", NOON), { id: 4, text: "Reading Proxmox's own records from before it was watched: 34 of 210", share: 34 / 210, tone: "" });
  assert.equal(backfillOf([one({ reason: "gap", failed: 2 })], "lab", NOON).text, "Reading Proxmox's own records of a time in which nothing was seen: 34 of 210, 2 could not be read");
  assert.equal(backfillOf([one({ reason: "asked" })], "lab", NOON).text, "Reading Proxmox's own records: 34 of 210");
  assert.equal(backfillOf([one({ reason: "asked", message: "it is busy" })], "lab", NOON).text, "Reading Proxmox's own records: 34 of 210 (it is busy)");
});

test("what has not begun waits, and says for what", () => {
  assert.deepEqual(backfillOf([one({ state: "waiting", reason: "asked" })], "lab", NOON), { id: 4, text: "Reading Proxmox's own records: waiting for its turn", share: null, tone: "" });
  assert.equal(backfillOf([one({ state: "waiting", reason: "asked", message: "the host\u202edoes not answer" })], "lab", NOON).text, "Reading Proxmox's own records: the host⟨202E⟩does not answer");
});

test("what runs goes before what waits", () => {
  assert.equal(backfillOf([one({ id: 9, state: "waiting" }), one()], "lab", NOON).id, 4);
});

test("of what has ended only a failure of the last day is told, unless a later one went well", () => {
  const failed = one({ state: "failed", message: "it refuses the login", ended: "2026-01-01T11:30:00Z" });
  const done = one({ state: "done", ended: "2026-01-01T11:40:00Z" });

  assert.deepEqual(backfillOf([failed], "lab", NOON), { id: 4, text: "Proxmox's own records could not be read: it refuses the login", share: null, tone: "warn" });
  assert.equal(backfillOf([done, failed], "lab", NOON), null);
  assert.equal(backfillOf([one({ state: "failed", ended: "2025-12-30T11:30:00Z" })], "lab", NOON), null);
  assert.equal(backfillOf([one({ state: "cancelled", ended: "2026-01-01T11:40:00Z" })], "lab", NOON), null);
});

test("other instances are not told of, and asking goes on only while something is open", () => {
  assert.equal(backfillOf([one()], "other", NOON), null);
  assert.equal(isAnyOpen([one({ state: "done" }), one({ state: "failed" })]), false);
  assert.equal(isAnyOpen([one({ state: "done" }), one({ state: "waiting" })]), true);
  assert.equal(isAnyOpen([]), false);
});

test("hosts of backups and mail are connections of their own", () => {
  assert.equal(instanceOf({ collection: "pbs", resource: { name: "vault", instance: "x" } }), "vault");
  assert.equal(instanceOf({ collection: "vms", resource: { name: "web", instance: "lab" } }), "lab");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { apply, fromWire, guestsOf, isBehind, listOf, minutesSince, NOTHING, toWire } from "../../pulse/static/pulse/js/state.js";

const NOON = Date.parse("2026-01-01T12:00:00Z");

function vm(vmid, fields = {}) {
  return { id: `lab-pve1-${vmid}`, vmid, name: `vm${vmid}`, node: "pve1", instance: "lab", status: "running", cpu: 0.1, memory: { total: 100, used: 10 }, lastSeen: "2026-01-01T12:00:00Z", ...fields };
}

function state(fields = {}) {
  const node = { id: "lab-pve1", name: "pve1", instance: "lab", status: "online" };
  return fromWire({ nodes: [node], vms: [vm(100), vm(101)], containers: [], storage: [], pbs: [], lastUpdate: "2026-01-01T12:00:00Z", connectionHealth: { lab: true }, ...fields });
}

test("before the first message there is nothing", () => {
  assert.deepEqual(toWire(NOTHING).vms, []);
  assert.deepEqual(guestsOf(NOTHING), []);
});

test("figures are written by their dotted path", () => {
  const before = state();

  const after = apply(before, { collections: { vms: { cols: ["cpu", "memory.used"], rows: [["lab-pve1-100", 0.9, 77]] } } });

  assert.equal(after.vms.get("lab-pve1-100").cpu, 0.9);
  assert.deepEqual(after.vms.get("lab-pve1-100").memory, { total: 100, used: 77 });
  assert.equal(before.vms.get("lab-pve1-100").cpu, 0.1, "the state before is as it was");
  assert.equal(after.vms.get("lab-pve1-101"), before.vms.get("lab-pve1-101"), "what is unchanged is the same object");
});

test("no name in a message reaches what all objects share", () => {
  const hostile = { id: "__proto__", __proto__: { name: "x" } };
  const before = fromWire({ vms: [vm(100), JSON.parse('{"id": "constructor", "__proto__": {"isPolluted": true}}'), hostile] });

  const after = apply(before, { top: JSON.parse('{"__proto__": {"isPolluted": true}}'), collections: { vms: { cols: ["__proto__.isPolluted", "constructor.isPolluted"], rows: [["lab-pve1-100", true, true]] } } });

  assert.equal({}.isPolluted, undefined);
  assert.equal(Object.isPolluted, undefined);
  assert.equal(after.isPolluted, undefined);
  assert.deepEqual([...after.vms.keys()], ["lab-pve1-100", "constructor", "__proto__"]);
});

test("figures of something that is not here ask for the whole state", () => {
  assert.equal(apply(state(), { collections: { vms: { cols: ["cpu"], rows: [["lab-pve1-999", 1]] } } }), null);
});

test("new guests take their place and gone ones leave", () => {
  const after = apply(state(), { collections: { vms: { set: [vm(50)], gone: ["lab-pve1-101"] } } });

  assert.deepEqual([...after.vms.keys()], ["lab-pve1-50", "lab-pve1-100"]);
});

test("texts are ordered by code points as the server does", () => {
  const nodes = ["b", "\u{1f98a}", "\ue000", "B"].map((name) => ({ id: name, name, instance: "lab" }));

  const after = apply(NOTHING, { collections: { nodes: { set: nodes } } });

  assert.deepEqual([...after.nodes.keys()], ["B", "b", "\ue000", "\u{1f98a}"]);
});

test("the top is replaced part by part", () => {
  const after = apply(state(), { top: { lastUpdate: "2026-01-01T12:00:10Z" } });

  assert.equal(after.lastUpdate, "2026-01-01T12:00:10Z");
  assert.deepEqual(after.connectionHealth, { lab: true });
});

test("guests of a node that is down are unknown", () => {
  const node = { id: "lab-pve1", name: "pve1", instance: "lab", status: "offline" };

  const [guest] = guestsOf(state({ nodes: [node] }), new Map(), NOON);

  assert.deepEqual([guest.isUnknown, guest.isStale], [true, true]);
});

test("guests of a connection that fails are stale and know for how long", () => {
  const [guest] = guestsOf(state({ connectionHealth: { lab: false } }), new Map(), NOON + 7 * 60_000);

  assert.deepEqual([guest.isUnknown, guest.isStale, guest.oldMinutes], [false, true, 7]);
});

test("an unchanged guest stays the same object until its age grows", () => {
  const reuse = new Map();
  const failing = state({ connectionHealth: { lab: false } });
  const [first] = guestsOf(failing, reuse, NOON);

  assert.equal(guestsOf(failing, reuse, NOON + 59_000)[0], first);
  assert.notEqual(guestsOf(failing, reuse, NOON + 60_000)[0], first);
});

test("without an instant there is no age", () => {
  assert.equal(minutesSince("0001-01-01T00:00:00Z", NOON), null);
  assert.equal(minutesSince(undefined, NOON), null);
  assert.equal(minutesSince("2026-01-01T13:00:00Z", NOON), null); // told by a clock that was set back since
});

test("the long lists stand under pveBackups in the state and under their own names in changes", () => {
  const task = { id: "t1", startTime: "2026-01-01T01:00:00Z", outcome: "running" };
  const before = state({ pveBackups: { backupTasks: [task], storageBackups: [], guestSnapshots: [] }, pbsBackups: [{ id: "b1", backupTime: "2026-01-01T02:00:00Z" }], pmg: [{ id: "pmg-mail" }] });

  const after = apply(before, { collections: { backupTasks: { set: [{ ...task, outcome: "ok" }] }, pbsBackups: { gone: ["b1"] } } });

  assert.deepEqual(toWire(after).pveBackups, { backupTasks: [{ id: "t1", startTime: "2026-01-01T01:00:00Z", outcome: "ok" }], storageBackups: [], guestSnapshots: [] });
  assert.deepEqual(toWire(after).pbsBackups, []);
  assert.deepEqual(toWire(after).pmg, [{ id: "pmg-mail" }]);
  assert.equal(before.pbsBackups.size, 1, "the state before is as it was");
});

test("a long list is in order when it is looked at, the newest first and equal ones by id", () => {
  const at = (id, time) => ({ id, time });
  const before = state({ pveBackups: { storageBackups: [at("b", "2026-01-02T00:00:00Z")] } });

  const after = apply(before, { collections: { storageBackups: { set: [at("c", "2026-01-01T00:00:00Z"), at("a", "2026-01-02T00:00:00Z"), at("d", "2026-01-03T00:00:00Z")] } } });

  assert.deepEqual(listOf(after, "storageBackups").map((one) => one.id), ["d", "a", "b", "c"]);
});

test("figures of a mail gateway are written like those of any resource", () => {
  const after = apply(state({ pmg: [{ id: "pmg-mail", statistics: { countIn: 1 } }] }), { collections: { pmg: { cols: ["statistics.countIn"], rows: [["pmg-mail", 2]] } } });

  assert.deepEqual(after.pmg.get("pmg-mail").statistics, { countIn: 2 });
});

test("a list of connections is behind while the feed knows of a silence that it does not", () => {
  const silent = state({ connectionHealth: { lab: true, "pbs-vault": false } });
  const vault = { type: "pbs", name: "vault" };

  assert.equal(isBehind(silent, [{ ...vault, status: "connected" }]), true);
  assert.equal(isBehind(silent, [{ ...vault, status: "disconnected" }]), false);
  assert.equal(isBehind(silent, [{ type: "pve", name: "lab", status: "connected" }]), false);
  assert.equal(isBehind(silent, null), false);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange, fits, held, naturalKey, parseFilter, passes, sorted } from "../../pulse/static/pulse/js/order.js";

function guest(fields) {
  const memory = { total: 1024, used: 512, free: 512, usage: 50 };
  return { id: `lab-pve-${fields.vmid}`, name: "", node: "pve", instance: "lab", type: "qemu", status: "running", cpu: 0.5, cpus: 2, memory, ...fields };
}

const VIEW = { q: "", type: "", status: "", group: "none", sort: "vmid", collapsed: new Set() };
const byVmid = (one) => one.vmid;
const vmids = (result) => result.entries.map((entry) => entry.item.vmid);

test("numbers in names are compared by size", () => {
  const names = ["vm10", "vm2", "VM1", "Äpfel", "apfel2"];

  assert.deepEqual(sorted(names, (name) => name, false), ["Äpfel", "apfel2", "VM1", "vm2", "vm10"]);
});

test("leading zeros do not count", () => {
  assert.equal(naturalKey("web-007"), naturalKey("web-7"));
});

test("unknown values come last in both directions", () => {
  const rows = [3, null, 1, NaN, 2];

  assert.deepEqual(sorted(rows, (row) => row, false), [1, 2, 3, null, NaN]);
  assert.deepEqual(sorted(rows, (row) => row, true), [3, 2, 1, null, NaN]);
});

test("equal rows keep their order in both directions", () => {
  const rows = [{ id: "a", at: 1 }, { id: "b", at: 1 }];

  assert.deepEqual(sorted(rows, (row) => row.at, true).map((row) => row.id), ["a", "b"]);
});

test("words must all fit, commas separate alternatives", () => {
  const filter = parseFilter("Web prod, db ,, ");

  assert.deepEqual(filter, [["web", "prod"], ["db"]]);
  assert.equal(fits("web-01\nprod", filter), true);
  assert.equal(fits("web-01\nstaging", filter), false);
  assert.equal(fits("anything", parseFilter("")), true);
});

test("the filter looks at name, id, node, tags and status", () => {
  const guests = [guest({ vmid: 1, name: "web" }), guest({ vmid: 222, tags: ["prod"] }), guest({ vmid: 3, status: "paused" }), guest({ vmid: 4, node: "alpha" })];

  for (const [q, vmid] of [["web", 1], ["222", 222], ["prod", 222], ["paused", 3], ["alpha", 4]]) {
    assert.deepEqual(vmids(arrange(guests, { ...VIEW, q }, byVmid)), [vmid]);
  }
});

test("an unknown guest is neither running nor stopped", () => {
  const unknown = guest({ vmid: 1, isUnknown: true });

  assert.equal(passes(unknown, { type: "", status: "running" }), false);
  assert.equal(passes(unknown, { type: "", status: "stopped" }), false);
  assert.equal(passes(unknown, { type: "vm", status: "" }), true);
});

test("a group has the sums of what runs in it", () => {
  const guests = [guest({ vmid: 1 }), guest({ vmid: 2, status: "stopped" }), guest({ vmid: 3, isUnknown: true })];

  const [{ group }] = arrange(guests, { ...VIEW, group: "node" }, byVmid).entries;

  assert.equal(group.label, "pve");
  assert.deepEqual([group.count, group.running, group.unknown, group.cpus, group.cpusUsed, group.memoryUsed], [3, 1, 1, 2, 1, 512]);
});

test("a collapsed group keeps its header alone", () => {
  const view = { ...VIEW, group: "node", collapsed: new Set(["lab\npve"]) };

  const { entries, shown } = arrange([guest({ vmid: 1 })], view, byVmid);

  assert.deepEqual(entries.map((entry) => entry.key), ["group:lab\npve"]);
  assert.equal(shown, 1);
});

test("a held order moves nothing, marks what is gone and lets what is new wait", () => {
  const before = [{ key: "b", item: { id: "b" } }, { key: "a", item: { id: "a" } }];
  const now = new Map([["b", { id: "b", cpu: 1 }], ["c", { id: "c" }]]);

  const { entries, isSame } = held(before, [{ key: "c", item: now.get("c") }, { key: "b", item: now.get("b") }], now);

  assert.deepEqual(entries, [{ key: "b", item: { id: "b", cpu: 1 } }, { key: "a", item: { id: "a" }, isGone: true }]);
  assert.equal(isSame, false);
});

test("field:word looks at the beginnings of one field, and a field that is none is a word like others", () => {
  const guests = [
    guest({ vmid: 1, name: "web", tags: ["prod"], pool: "customers", backupState: "good", ipAddresses: ["fd00:20::64"] }),
    guest({ vmid: 2, name: "prod", tags: ["nonprod"], pool: "", backupState: "overdue", haState: "error" }),
    guest({ vmid: 3, name: "a:b", node: "b", ipAddresses: ["10.20.0.109"] }),
  ];

  for (const [q, expected] of [["tag:prod", [1]], ["pool:cust", [1]], ["backup:overdue", [2]], ["backup:o web", []], ["ha:", [2]], ["ip:fd00", [1]], ["fd00:20", [1]], ["10.20.0.1", [3]], ["109", []], ["a:b", [3]], ["backup:good, ha:error", [1, 2]]]) {
    assert.deepEqual(vmids(arrange(guests, { ...VIEW, q }, byVmid)), expected, q);
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { concernProblems, concernsOf, lineText } from "../../pulse/static/pulse/js/concerns.js";
import { apply, fromWire, toWire } from "../../pulse/static/pulse/js/state.js";

function concern(resourceId, fields = {}) {
  const one = { instance: "lab", resourceId, level: "warning", code: "zfs_degraded", subject: "tank", text: "ZFS pool tank is degraded", readAt: "", ...fields };
  return { id: `${one.instance}|${resourceId}|${one.code}|${one.subject}`, ...one };
}

function state(...concerns) {
  return fromWire({
    nodes: [{ id: "lab-pve1", name: "pve1", instance: "lab", status: "offline" }, { id: "lab-pve2", name: "pve2", instance: "lab", status: "online" }],
    vms: [{ id: "lab-pve2-100", vmid: 100, name: "web" }, { id: "lab-pve2-101", vmid: 101, name: "" }],
    storage: [{ id: "shared-nas", name: "nas" }],
    concerns,
  });
}

test("a concern becomes a problem with the name of its resource and a way to it", () => {
  assert.deepEqual(concernProblems(state(concern("lab-pve2"))), [
    { key: "concern:lab|lab-pve2|zfs_degraded|tank", level: "warning", rank: 0, title: "pve2", href: "#resource/lab-pve2", text: "ZFS pool tank is degraded.", since: null },
  ]);
});

test("what concerns a whole connection has its name and leads to a node that is online", () => {
  const [problem] = concernProblems(state(concern("", { code: "quorum_lost" })));

  assert.deepEqual([problem.title, problem.href], ["lab", "#resource/lab-pve2"]);
});

test("a guest without a name and a resource that is gone have one all the same", () => {
  const problems = concernProblems(state(concern("lab-pve2-101"), concern("lab-pve9")));

  assert.deepEqual(problems.map((problem) => problem.title), ["guest 101", "lab-pve9"]);
});

test("the critical come first, then clusters, nodes, storages and guests", () => {
  const problems = concernProblems(state(concern("lab-pve2-100"), concern("shared-nas"), concern("lab-pve2"), concern(""), concern("lab-pve2-101", { level: "critical" })));

  assert.deepEqual(problems.map((problem) => problem.title), ["guest 101", "lab", "pve2", "nas", "web"]);
});

test("hidden characters of a text are spelled out", () => {
  const [problem] = concernProblems(state(concern("lab-pve2", { text: "ZFS pool web\u202egnp is degraded" })));

  assert.equal(problem.text, "ZFS pool web⟨202E⟩gnp is degraded.");
});

test("the concerns of a resource are the same list until one of them changes", () => {
  const before = state(concern("lab-pve2"));
  const figures = apply(before, { collections: { nodes: { cols: ["cpu"], rows: [["lab-pve2", 0.5]] } } });
  const read = apply(before, { collections: { concerns: { cols: ["readAt"], rows: [["lab|lab-pve2|zfs_degraded|tank", "t"]] } } });

  assert.equal(concernsOf(figures, "lab-pve2"), concernsOf(before, "lab-pve2"));
  assert.deepEqual(concernsOf(read, "lab-pve2").map((one) => one.readAt), ["t"]);
  assert.deepEqual(concernsOf(before, "lab-pve1"), []);
});

test("new concerns take their place in the order of the state", () => {
  const wire = [concern("lab-pve1", { level: "critical" }), concern("lab-pve2"), concern("shared-nas")];

  const after = apply(state(wire[1]), { collections: { concerns: { set: [wire[2], wire[0]] } } });

  assert.deepEqual(toWire(after).concerns, wire);
});

test("the line of a card tells one in full and of many the number and the first", () => {
  const [a, b, c, d] = ["a", "b", "c", "d"].map((text) => concern("lab-pve2", { text }));

  assert.equal(lineText([]), "");
  assert.equal(lineText([a]), "a");
  assert.equal(lineText([a, b]), "2 problems: a, b");
  assert.equal(lineText([a, b, c, d]), "4 problems: a, b, c, and 1 more");
});

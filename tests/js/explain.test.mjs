import assert from "node:assert/strict";
import { test } from "node:test";

import { nameOf, rawLines, valueText } from "../../pulse/static/pulse/js/explain.js";
import { panelAddress, panelOf } from "../../pulse/static/pulse/js/page.js";

test("a number is told in its unit and an unknown one is a dash", () => {
  const cases = [
    [0.0677, "fraction of the guest's CPUs", "6.8\u202f%"],
    [42.1, "percent", "42\u202f%"],
    [1048576, "bytes", "1.0\u202fMiB"],
    [2048, "bytes per second", "2.0\u202fKiB/s"],
    [3661, "seconds", "1\u202fh 1\u202fmin"],
    [1.42, "seconds", "1.4\u202fs"],
    [12.345, "times", "12.3 times"],
    ["no instant", "instant", "—"],
    [{ total: 1048576, used: 524288, usage: 50 }, "bytes", "50\u202f%: 512\u202fKiB of 1.0\u202fMiB"],
    [{ cpuSome: 1.5, cpuFull: null, measured: "2026-01-01T12:00:00Z" }, "percent of the last 10 s", "cpu some 1.5\u202f%"],
    [[1, 0.5], "processes over 1, 5 and 15 minutes", "1.00  0.50"],
    [12, "messages", "12"],
    [null, "bytes", "—"],
  ];
  for (const [value, unit, text] of cases) assert.equal(valueText(value, unit), text, unit);
});

test("raw fields are told to the last digit, lists line by line, and what was not told says so", () => {
  const raw = { mem: 2062740552, free: null, filesystems: [{ mountPoint: "/", counted: true, reason: "" }] };

  assert.deepEqual(rawLines(raw), [["mem", "2\u202f062\u202f740\u202f552"], ["free", "not told"], ["filesystems", "1"], ["", "mountPoint / · counted true"]]);
});

test("a number of a part is called by the part", () => {
  assert.equal(nameOf("networkIn"), "Net in");
  assert.equal(nameOf("datastores.main.usage"), "main, usage");
  assert.equal(nameOf("datastores.main.fullAt"), "main, full");
  assert.equal(nameOf("nodes.mx1.loadAverage"), "mx1, load");
  assert.equal(nameOf("statistics.rblRejects"), "Refused by block lists");
  assert.equal(nameOf("statistics.constructor"), "constructor");
});

test("the address of a panel holds any name and gives it back", () => {
  const id = "lab-pve/1-#100 ü";

  assert.deepEqual(panelOf(panelAddress(id, "datastores.a/b.usage")), { id, number: "datastores.a/b.usage" });
  assert.deepEqual(panelOf(panelAddress(id)), { id, number: "" });
  for (const other of ["", "#main", "#resource/", "#resource/%E0%A4%A"]) assert.equal(panelOf(other), null);
});

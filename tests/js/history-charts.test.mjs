import assert from "node:assert/strict";
import { test } from "node:test";

import { chartsOf, drawn, metricsOf, partsOf } from "../../pulse/static/pulse/js/history-charts.js";
import { isKnown } from "../../pulse/static/pulse/js/history-series.js";

const titles = (...of) => chartsOf(...of).map(({ title }) => title);
const known = (...names) => ({ series: Object.fromEntries(names.map((name) => [name, { mean: [null, 1] }])) });

test("each kind of resource has its charts", () => {
  assert.deepEqual(titles("vms"), ["CPU", "Memory", "Disk", "Network", "Disk reads and writes", "Pressure"]);
  assert.deepEqual(titles("containers"), titles("vms"));
  assert.deepEqual(titles("nodes"), ["CPU", "Load", "Memory", "Root disk", "Network", "Pressure"]);
  assert.deepEqual(titles("storage"), ["Used", "Usage"]);
  assert.deepEqual(titles("pbs"), ["CPU", "Load", "Memory", "Root disk", "Network", "Disk reads and writes"]);
  assert.deepEqual(titles("pmg"), ["Mails since midnight", "Junk since midnight"]);
});

test("a part has those of its own kind", () => {
  for (const part of ["pool:tank", "filesystem:/var", "datastore:main"]) assert.deepEqual(titles("nodes", part), ["Used", "Usage"]);
  assert.deepEqual(titles("pmg", "node:mail1"), ["Queues", "CPU", "Load", "Memory", "Root disk", "Network"]);
});

test("only what is known is drawn; a chart that every resource has stays, to say so", () => {
  const charts = drawn(chartsOf("vms"), known("cpu", "netout"), isKnown);

  assert.deepEqual(charts.map(({ title, lines }) => [title, lines.map(({ metric }) => metric)]), [["CPU", ["cpu"]], ["Memory", []], ["Disk", []], ["Network", ["netout"]]]);
});

test("a file of a chart has all that it draws and nothing that the resource may not have", () => {
  const answer = known("memoryUsed", "memoryTotal", "cpu");
  const [cpu, memory] = drawn(chartsOf("vms"), answer, isKnown);

  assert.equal(metricsOf(memory, answer), "memoryUsed,memoryTotal");
  assert.equal(metricsOf(cpu, answer), "cpu");
});

test("parts are asked for by kind and name", () => {
  assert.deepEqual(partsOf("nodes", {}, { zfsPools: [{ name: "tank" }] }), [["pool:tank", "Pool tank"]]);
  assert.deepEqual(partsOf("pbs", { datastores: [{ name: "main" }] }, {}), [["datastore:main", "Datastore main"]]);
  assert.deepEqual(partsOf("pmg", { nodes: [{ name: "mail1" }] }, {}), [["node:mail1", "Node mail1"]]);
  const filesystems = [{ mountPoint: "/", totalBytes: 5 }, { mountPoint: "/proc", totalBytes: null }];
  assert.deepEqual(partsOf("vms", {}, { filesystems: { filesystems } }), [["filesystem:/", "File system /"]]);
  for (const collection of ["nodes", "vms", "containers", "storage"]) assert.deepEqual(partsOf(collection, {}, {}), []);
});

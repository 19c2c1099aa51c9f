import assert from "node:assert/strict";
import { test } from "node:test";

import { backupRows, guestsAtRisk, guestsByNumber, hasNeverRun, jobCount, jobRows, riskCounts, snapshotRows, taskRows } from "../../pulse/static/pulse/js/backup-rows.js";
import { fromWire } from "../../pulse/static/pulse/js/state.js";

const NOON = Date.parse("2026-03-01T12:00:00Z");
const WEB = { id: "lab-pve-100", vmid: 100, name: "web", instance: "lab", node: "pve" };
const BY_NUMBER = guestsByNumber([WEB]);

function onServer(fields) {
  return { id: "b1", instance: "vault", datastore: "main", namespace: "", backupType: "vm", vmid: "100", backupTime: "2026-03-01T01:00:00Z", size: 10, protected: false, verified: false, ...fields };
}

function inStorage(fields) {
  return { id: "s1", instance: "lab", storage: "local", node: "pve", type: "qemu", vmid: 100, time: "2026-03-01T01:00:00Z", size: 10, format: "vma.zst", protected: false, volid: "local:backup/x", isPBS: false, verified: false, ...fields };
}

test("guests at risk come worst first; good ones and those not judged are left out", () => {
  const guests = ["good", "unknown", "bad", "overdue", "never", "uncovered", undefined].map((backupState, vmid) => ({ vmid, backupState }));

  assert.deepEqual(guestsAtRisk(guests).map((guest) => guest.backupState), ["uncovered", "never", "overdue", "bad", "unknown"]);
});

test("guests whose backups were not read yet come last among those at risk, and are counted by themselves", () => {
  const guests = [
    { vmid: 1, backupState: "unknown", backupReason: "not_read_yet" },
    { vmid: 2, backupState: "unknown", backupReason: "no_permission" },
    { vmid: 3, backupState: "overdue" },
    { vmid: 4, backupState: "unknown", backupReason: "not_read_yet" },
    { vmid: 5 },
  ];

  assert.deepEqual(guestsAtRisk(guests).map((guest) => guest.vmid), [3, 2, 1, 4]);
  assert.deepEqual(riskCounts(guests).map(({ look, count }) => [look.word, count]), [["overdue", 1], ["unknown", 1], ["not read yet", 2]]);
});

test("a backup of an earlier guest is not that of the guest with its number now", () => {
  const earlier = onServer({ attribution: "attributed", guestInstance: "lab", guestVmid: 100, guestGone: true, comment: "oldmail" });

  const [row] = backupRows(fromWire({ pbsBackups: [earlier] }), BY_NUMBER);

  assert.deepEqual([row.guest, row.name, row.cluster], [undefined, "oldmail", "lab"]);
});

test("a backup has the guest that it is attributed to, and no other", () => {
  const attributed = onServer({ attribution: "attributed", guestInstance: "lab", guestVmid: 100 });
  const ambiguous = onServer({ id: "b2", attribution: "ambiguous", guestInstance: "lab", guestVmid: 100, comment: "some name" });

  const [first, second] = backupRows(fromWire({ pbsBackups: [attributed, ambiguous] }), BY_NUMBER);

  assert.deepEqual([first.guest, first.name, first.cluster], [WEB, "web", "lab"]);
  assert.deepEqual([second.guest, second.name, second.cluster, second.attribution], [undefined, "some name", "", "ambiguous"]);
});

test("what a PVE tells of a backup server is left out where the server itself tells it", () => {
  const seen = inStorage({ id: "s1", storage: "pbs-vault", isPBS: true });
  const other = inStorage({ id: "s2", storage: "pbs-far", isPBS: true, time: "2026-03-01T02:00:00Z" });
  const local = inStorage({ id: "s3" });

  const rows = backupRows(fromWire({ pbsBackups: [onServer()], pveBackups: { storageBackups: [seen, other, local] } }), BY_NUMBER);

  assert.deepEqual(rows.map((row) => row.id), ["b1", "s2", "s3"]);
});

test("a verification is failed, ok, never made, or not for this kind of storage", () => {
  const rows = backupRows(
    fromWire({
      pbsBackups: [onServer({ verification: "failed" }), onServer({ id: "b2", verification: "ok" }), onServer({ id: "b3" }), onServer({ id: "b4", unfinished: true })],
      pveBackups: { storageBackups: [inStorage({ vmid: 7 })] },
    }),
    BY_NUMBER,
  );

  assert.deepEqual(rows.map((row) => row.verification), ["failed", "ok", "never", "unfinished", "none"]);
  assert.equal(rows[3].size, null);
});

test("a task over several guests says so and a running one has no end", () => {
  const task = { id: "t1", node: "pve", type: "vzdump", vmid: 0, status: "", startTime: "2026-03-01T11:00:00Z", endTime: "0001-01-01T00:00:00Z", instance: "lab", outcome: "running" };

  const [row] = taskRows(fromWire({ pveBackups: { backupTasks: [task] } }), BY_NUMBER);

  assert.deepEqual([row.name, row.number, row.seconds, row.text], ["several guests", "", null, ""]);
});

test("a snapshot is old after thirty days", () => {
  const snapshot = (id, time) => ({ id, name: id, node: "pve", type: "qemu", vmid: 100, time, vmstate: id === "a", instance: "lab" });
  const state = fromWire({ pveBackups: { guestSnapshots: [snapshot("a", "2026-01-30T11:00:00Z"), snapshot("b", "2026-01-30T13:00:00Z")] } });

  const rows = snapshotRows(state, BY_NUMBER, NOON);

  assert.deepEqual(rows.map((row) => [row.isOld, row.hasMemory]), [[true, true], [false, false]]);
});

test("jobs of all kinds stand in one list with their missed runs", () => {
  const server = {
    id: "pbs-vault",
    name: "vault",
    backupJobs: [],
    syncJobs: [{ id: "s", store: "main", status: "ok", remote: "far", lastSync: "2026-03-01T00:00:00Z", nextRun: "2026-03-02T00:00:00Z", missedAt: "2026-02-28T00:00:00Z" }],
    garbageJobs: [{ id: "g", store: "main", status: "unknown", lastGarbage: "0001-01-01T00:00:00Z", nextRun: "2026-03-02T00:00:00Z", disabled: true }],
  };

  const rows = jobRows([server]);

  assert.deepEqual(rows.map((row) => [row.kind, row.at, row.nextAt, row.missedAt, row.isDisabled, row.outcome]), [
    ["sync", Date.parse("2026-03-01T00:00:00Z"), Date.parse("2026-03-02T00:00:00Z"), Date.parse("2026-02-28T00:00:00Z"), false, "ok"],
    ["garbage collection", null, null, null, true, "unknown"],
  ]);
});

test("backup jobs of PVE are there too, those that write to a backup server once and at that", () => {
  const told = (id, fields) => ({ id, store: "main", status: "ok", type: "all", lastBackup: "2026-03-01T00:00:00Z", nextRun: "2026-03-02T00:00:00Z", instance: "lab", ...fields });
  const server = { id: "pbs-vault", name: "vault", backupJobs: [told("lab-nightly")], syncJobs: [] };
  const own = [told("lab-nightly", { store: "pbs" }), told("lab-weekly", { store: "nas", missedAt: "2026-02-28T00:00:00Z" })];

  const rows = jobRows([server], own);

  assert.deepEqual(rows.map((row) => [row.job, row.server, row.store, row.missedAt, row.text]), [
    ["lab-nightly", "vault", "main", null, "of lab"],
    ["lab-weekly", "", "nas", Date.parse("2026-02-28T00:00:00Z"), "of lab"],
  ]);
  assert.deepEqual([jobCount([server], own), jobCount([], own), jobCount([], [])], [2, 2, 0]);
});

test("never is said only of a job whose server says so", () => {
  const cases = [
    [{ kind: "verify", outcome: "unknown", at: null }, true],
    [{ kind: "prune", outcome: "ok", at: 1 }, false],
    [{ kind: "sync", outcome: "running", at: null }, false],
    [{ kind: "backup", outcome: "unknown", at: null }, false],
    [{ kind: "backup", outcome: "running", at: null }, false],
    [{ kind: "garbage collection", outcome: "unknown", at: null }, true],
  ];
  for (const [job, expected] of cases) assert.equal(hasNeverRun(job), expected);
});

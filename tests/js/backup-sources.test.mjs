import assert from "node:assert/strict";
import { test } from "node:test";

import { emptyText, groupText, reading } from "../../pulse/static/pulse/js/backup-sources.js";

const ZERO = "0001-01-01T00:00:00Z";

function place(fields) {
  return { instance: "lab", kind: "storage", name: "nas", count: 0, readAt: "2026-03-01T12:00:00Z", reason: "", message: "", ...fields };
}

test("a list is as old as the oldest of the places that it comes from", () => {
  const sources = [
    place({}),
    place({ kind: "datastore", instance: "vault", name: "main", readAt: "2026-03-01T11:40:00Z" }),
    place({ kind: "tasks", name: "pve", node: "pve", readAt: "2026-03-01T09:00:00Z" }),
    place({ name: "usb", readAt: ZERO, reason: "not_read_yet" }),
  ];

  assert.equal(reading(sources, "all").oldest, Date.parse("2026-03-01T11:40:00Z"));
  assert.equal(reading(sources, "tasks").oldest, Date.parse("2026-03-01T09:00:00Z"));
  assert.equal(reading(sources, "snapshots").oldest, null);
});

test("places that were not read for the same reason stand in one sentence", () => {
  const on = (node) => place({ name: "local", node, readAt: ZERO, reason: "not_read_yet" });
  const { groups } = reading([...["a", "b", "c", "d", "e", "f"].map(on), place({ reason: "no_permission" })], "all");

  assert.deepEqual(groups.map(groupText), [
    "Backups in local on a, local on b, local on c, local on d and 2 more (lab): they have not been read yet.",
    "Backups in nas (lab): the account may not list them.",
  ]);
});

test("each kind of place is called by its name", () => {
  const cases = [
    [{ kind: "datastore", instance: "vault", name: "main", namespace: "dev/a", reason: "not_read_lately" }, "all", "Backups in main/dev/a (vault): they have not been read for hours."],
    [{ kind: "storage", name: "", reason: "no_permission" }, "all", "Backups of lab: the account may not list them."],
    [{ name: "pbs", reason: "server_not_monitored" }, "all", "Backups in pbs (lab): they are on a backup server that Pulse does not watch."],
    [{ kind: "tasks", name: "pve1", node: "pve1", reason: "timeout", message: "pve1 was silent" }, "tasks", "Backup tasks of pve1 (lab): the host did not answer in time. Pve1 was silent."],
    [{ kind: "snapshots", name: "pve1", node: "pve1", reason: "not_read_yet", message: "1 of 9 guests." }, "snapshots", "Snapshots of pve1 (lab): they have not been read yet. 1 of 9 guests."],
  ];
  for (const [fields, part, text] of cases) assert.deepEqual(reading([place(fields)], part).groups.map(groupText), [text]);
});

test("names and messages of a host have no hidden characters", () => {
  const [group] = reading([place({ name: "na\u202es", reason: "new_code", message: "a\u200bb" })], "all").groups;

  assert.equal(groupText(group), "Backups in na⟨202E⟩s (lab): new code. A⟨200B⟩b.");
});

test("a storage that is read on its backup server is told there, and here only where that knows nothing of it", () => {
  const there = place({ kind: "datastore", instance: "vault", name: "main", reason: "no_permission" });
  const here = place({ name: "pbs", readFrom: "vault", reason: "no_permission" });
  const names = (sources) => reading(sources, "all").groups.map(({ instance }) => instance);

  assert.deepEqual(names([there, here]), ["vault"]);
  assert.deepEqual(names([place({ kind: "datastore", instance: "vault", name: "main" }), here]), ["lab"]);
});

test("an empty list says that there is nothing only of places that were read", () => {
  const unread = place({ readAt: ZERO, reason: "no_permission" });
  const cases = [
    [null, "Nothing is listed. What has been read so far is not known yet."],
    [[], "Nothing is listed: no connection tells of a place for backups."],
    [[unread], "Nothing has been read, so nothing is known: see above."],
    [[place({}), unread], "There is no backup in the places that were read. The others are named above."],
    [[place({})], "There is no backup in the places that were read."],
  ];
  for (const [sources, text] of cases) assert.equal(emptyText("all", sources && reading(sources, "all")), text);
});

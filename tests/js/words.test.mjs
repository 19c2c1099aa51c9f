import assert from "node:assert/strict";
import { test } from "node:test";

import { BACKUP_STATES, backupLook, backupWhy, emptyText, reasonText, silenceTexts, since } from "../../pulse/static/pulse/js/words.js";

test("the states of backups are in the order of their urgency", () => {
  const order = Object.keys(BACKUP_STATES).sort((a, b) => BACKUP_STATES[b].rank - BACKUP_STATES[a].rank);

  assert.deepEqual(order, ["uncovered", "never", "overdue", "bad", "unknown", "good"]);
});

test("why a guest is at risk is a sentence", () => {
  const cases = [
    [{ backupState: "overdue" }, "A run of its job was due and left no good backup."],
    [{ backupState: "unknown", backupReason: "no_permission" }, "Nothing is known of its backups: the account may not list them."],
    [{ backupState: "unknown", backupReason: "not_read_lately" }, "Nothing is known of its backups: they have not been read for hours."],
    [{ backupState: "unknown", backupReason: "server_not_monitored" }, "Nothing is known of its backups: they are on a backup server that Pulse does not watch."],
    [{ backupState: "uncovered", backupReason: "not_read_yet" }, "No enabled backup job takes this guest. Not all of its jobs and backups are known: they have not been read yet."],
    [{ backupState: "good" }, "The last run of every job left a good backup."],
    [{ backupState: "good", backupReason: "no_permission" }, "It has a good backup. One of its jobs or more cannot be checked: the account may not list them."],
    [{ backupState: "never" }, "A job takes it, and there is no backup of it anywhere."],
    [{ backupState: "never", backupReason: "not_read_yet" }, "There is no backup of it anywhere. Not all of its jobs are known: they have not been read yet."],
    [{}, "Its backups have not been judged yet."],
  ];
  for (const [guest, text] of cases) assert.equal(backupWhy(guest), text);
});

test("backups that have not been read yet are called so, and nothing is urgent about them", () => {
  const look = (backupState, backupReason) => { const { word, rank } = backupLook({ backupState, backupReason }); return [word, rank]; };

  assert.deepEqual(look("unknown", "not_read_yet"), ["not read yet", 0]);
  assert.deepEqual(look("unknown", "no_permission"), ["unknown", 2]);
  assert.deepEqual(look("overdue", "not_read_yet"), ["overdue", 4]);
  assert.deepEqual(look("good", "no_permission"), ["good", 1]);
  assert.equal(backupLook({}), undefined);
});

test("an empty list blames the account only where it was not read, or where Proxmox leaves out", () => {
  const untold = "None is told: the account may not see them, or they have not been read yet.";
  const cases = [
    [emptyText(""), untold],
    [emptyText(undefined, "Datastore.Audit"), untold],
    [emptyText("0001-01-01T00:00:00Z"), untold],
    [emptyText("", "", "offline"), "None is told: the node is offline, and they were not read before."],
    [emptyText("", "", "online"), untold],
    [emptyText("2026-01-01T12:00:00Z"), "There is none."],
    [emptyText("2026-01-01T12:00:00Z", "", "offline"), "There is none."],
    [emptyText("2026-01-01T12:00:00Z", "Datastore.Audit"), "None is listed: there is none, or the account lacks the privilege Datastore.Audit, without which Proxmox leaves them out."],
  ];
  for (const [told, text] of cases) assert.equal(told, text);
});

test("a connection without figures is said to be silent only when nothing came, and to refuse the login only when it did", () => {
  const cases = [
    [{ status: "disconnected", statusCode: "timeout" }, ["does not answer", "no answer"]],
    [{ status: "disconnected", statusCode: "unreachable" }, ["does not answer", "no answer"]],
    [{ status: "disconnected" }, ["does not answer", "no answer"]],
    [{ status: "disconnected", statusCode: "bad_answer" }, ["cannot be read", "not read"]],
    [{ status: "disconnected", statusCode: "server_error" }, ["cannot be read", "not read"]],
    [{ status: "disconnected", statusCode: "certificate_changed" }, ["cannot be read", "not read"]],
    [{ status: "error", statusCode: "login_failed" }, ["refuses the login", "login refused"]],
    [{ status: "error", statusCode: "permission_denied" }, ["refuses the calls of its account", "rights missing"]],
    [{ status: "error", statusCode: "session_refused" }, ["refuses the session", "session refused"]],
  ];
  for (const [instance, texts] of cases) assert.deepEqual(silenceTexts(instance), texts);
});

test("what a call came to accuses nobody", () => {
  assert.equal(reasonText("node_busy"), "the asked host could not reach the node");
  assert.equal(reasonText("unreachable"), "the connection to the host failed");
  assert.equal(reasonText("session_refused"), "the login was accepted and its session refused");
});

test("a reason that the page does not know is shown as it came, without hidden characters", () => {
  assert.equal(reasonText("new_kind\u202eof"), "new kind⟨202E⟩of");
  assert.equal(reasonText("constructor"), "constructor");
  assert.equal(reasonText(""), "");
});

test("an age has one unit, and none is a dash", () => {
  const noon = Date.parse("2026-01-01T12:00:00Z");

  assert.equal(since("2026-01-01T06:30:00Z", noon), "5\u202fh");
  assert.equal(since("2025-12-28T11:00:00Z", noon), "4\u202fd");
  assert.equal(since("0001-01-01T00:00:00Z", noon), "—");
  assert.equal(since(null, noon), "—");
  assert.equal(since("2026-01-01T13:00:00Z", noon), "—"); // told by a clock that was set back since
});

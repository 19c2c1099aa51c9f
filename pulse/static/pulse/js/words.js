// What codes of the server mean, in words; and a shape for each state. Pure.

import { duration, elapsed, instant, printable, UNKNOWN } from "./format.js";

/** State of a guest's backups to its word, its shape and how urgent it is. */
export const BACKUP_STATES = {
  uncovered: { word: "uncovered", icon: "offline", tone: "bad", rank: 6, why: "No enabled backup job takes this guest." },
  never: { word: "never", icon: "offline", tone: "bad", rank: 5, why: "A job takes it, and there is no backup of it anywhere." },
  overdue: { word: "overdue", icon: "clock", tone: "warn", rank: 4, why: "A run of its job was due and left no good backup." },
  bad: { word: "bad", icon: "problem", tone: "bad", rank: 3, why: "All its backups are unfinished or failed their verification." },
  unknown: { word: "unknown", icon: "unknown", tone: "warn", rank: 2, why: "Pulse cannot tell whether there is a backup." },
  good: { word: "good", icon: "ok", tone: "ok", rank: 1, why: "The last run of every job left a good backup." },
};

/** How a task or the run of a job ended. */
export const OUTCOMES = {
  failed: { word: "failed", icon: "offline", tone: "bad", rank: 5 },
  warning: { word: "warning", icon: "problem", tone: "warn", rank: 4 },
  unknown: { word: "unknown", icon: "unknown", tone: "warn", rank: 3 },
  running: { word: "running", icon: "sync", tone: "busy", rank: 2 },
  ok: { word: "ok", icon: "ok", tone: "ok", rank: 1 },
};

/** What a verification on a backup server has found. */
export const VERIFICATIONS = {
  failed: { word: "failed", icon: "offline", tone: "bad", rank: 5 },
  unfinished: { word: "unfinished", icon: "problem", tone: "warn", rank: 4 },
  never: { word: "never", icon: "stopped", tone: "", rank: 3 },
  ok: { word: "verified", icon: "ok", tone: "ok", rank: 2 },
  none: { word: UNKNOWN, icon: "", tone: "", rank: null },
};

/** Whose a backup is. */
export const ATTRIBUTIONS = {
  attributed: "",
  ambiguous: "ambiguous",
  foreign: "foreign",
  unknown: "not attributed",
};

/** By what it was decided whose a backup is. */
export const EVIDENCE = {
  kind: "kind",
  namespace: "namespace",
  owner: "owner",
  storage: "storage",
  vmid: "number of the guest",
  name: "name",
  age: "age of the guest",
  contradiction: "what speaks against it",
};

/** What makes a backup worthless. */
export const FAULTS = {
  unfinished: "it was not finished",
  verification_failed: "its verification failed",
};

/**
 * Codes of the server, as parts of sentences: why a figure is not known or not to be trusted, and what a call came to.
 * The server says those of figures in the same words (monitoring/wire/reasons.py); a test compares them.
 */
export const REASONS = {
  no_permission: "the account may not see it",
  not_read_yet: "it has not been read yet",
  not_read_lately: "it has not been read for hours",
  server_not_monitored: "Pulse does not watch the backup server",
  node_offline: "its node is not online",
  stopped: "the guest does not run",
  not_told: "Proxmox did not tell it",
  no_balloon: "the balloon driver of the guest does not report, so this is what the host has given it",
  near_maximum: "it is the host's view and near the maximum, where caches of the guest count as used",
  just_booted: "the guest has booted just now",
  agent_disabled: "the guest agent is not enabled in the guest's options",
  agent_not_running: "the guest agent is enabled and does not answer: is it installed and running?",
  agent_timeout: "the guest agent did not answer in time",
  agent_refused: "the guest agent does not allow this call",
  not_supported: "the guest tells no file system that can be counted",
  permission_denied: "the account may not ask",
  unreachable: "the connection to the host failed",
  timeout: "the host did not answer in time",
  refused: "the host refused the connection",
  login_failed: "the login was refused",
  session_refused: "the login was accepted and its session refused",
  certificate_changed: "the host showed another certificate",
  tls: "the encrypted connection failed",
  name_not_found: "the name of the host is not known",
  not_found: "the host does not know it",
  node_busy: "the asked host could not reach the node",
  server_error: "the host answered with an error",
  bad_answer: "Pulse could not make sense of the answer",
  too_large: "the answer was too large",
  proxmox_error: "the call failed",
  internal_error: "Pulse stumbled over the answer",
  credential_unreadable: "the stored secret cannot be opened",
  duplicate_cluster: "another connection stands for the same cluster",
  address_refused: "this address can be none of a Proxmox host",
  guest_not_found: "the node has no such guest: it was removed, or has moved",
  no_ceph: "the node has no Ceph",
  no_zfs: "the node has no ZFS",
};

/** Why a listed file system is not in the sum. */
export const SKIPPED = {
  network: "on the network",
  fuse: "a second view",
  system: "boot or recovery",
  read_only: "read only",
  same_device: "counted already",
  loop: "a file of another one",
  no_size: "without a size",
};

/** Returns a reason of the server as part of a sentence; one that is not known here as it was told. */
export function reasonText(code) {
  if (!code) return "";
  return Object.hasOwn(REASONS, code) ? REASONS[code] : printable(code).replaceAll("_", " ");
}

/** Returns the same as a sentence. */
export function sentence(text) {
  return text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "";
}

/** What a host that gave no answer at all came to; with any other code it answers, and Pulse cannot use what it says. */
const SILENT = new Set(["unreachable", "timeout", "refused", "name_not_found", "address_refused"]);
const REFUSALS = { permission_denied: ["refuses the calls of its account", "rights missing"], session_refused: ["refuses the session", "session refused"] };

/** Returns why a connection brings no figures, as the end of a sentence and in two words. */
export function silenceTexts({ status, statusCode = "" }) {
  if (status === "error") return REFUSALS[statusCode] ?? ["refuses the login", "login refused"];
  return !statusCode || SILENT.has(statusCode) ? ["does not answer", "no answer"] : ["cannot be read", "not read"];
}

/**
 * Returns what stands in the place of a list without entries; `read` is when it was read, empty when it never was. `privilege` is the one
 * without which Proxmox answers with fewer entries instead of a refusal, `status` that of the machine, where it may be another than online.
 */
export function emptyText(read, privilege = "", status = "online") {
  if (instant(read ?? "") === null && status !== "online") return `None is told: the node is ${printable(status)}, and they were not read before.`;
  if (instant(read ?? "") === null) return "None is told: the account may not see them, or they have not been read yet.";
  if (!privilege) return "There is none.";
  return `None is listed: there is none, or the account lacks the privilege ${privilege}, without which Proxmox leaves them out.`;
}

/** The same of backups, tasks or snapshots. */
const BLIND = {
  no_permission: "the account may not list them",
  not_read_yet: "they have not been read yet",
  not_read_lately: "they have not been read for hours",
  server_not_monitored: "they are on a backup server that Pulse does not watch",
  node_offline: "the node is not online",
  ambiguous: "those that are there may be of another guest with its number, at another host that stores in the same place",
};

/** Returns why backups are not known, as part of a sentence. */
export function blindText(code) {
  return Object.hasOwn(BLIND, code) ? BLIND[code] : reasonText(code);
}

/** What is said of backups that will be read: it is no verdict, and no reason to look first at this guest. */
const NOT_READ_YET = { word: "not read yet", icon: "clock", tone: "", rank: 0 };

/** Returns the word, the shape and the urgency of a guest's backups, undefined while they have not been judged. */
export function backupLook({ backupState, backupReason }) {
  if (backupState === "unknown" && backupReason === "not_read_yet") return NOT_READ_YET;
  return BACKUP_STATES[backupState];
}

/** Returns why a guest's backups are as they are, for people. */
export function backupWhy({ backupState, backupReason }) {
  const state = BACKUP_STATES[backupState];
  if (!state) return "Its backups have not been judged yet.";
  if (!backupReason) return state.why;
  const reason = blindText(backupReason);
  if (backupState === "good") return `It has a good backup. One of its jobs or more cannot be checked: ${reason}.`;
  if (backupState === "never") return `There is no backup of it anywhere. Not all of its jobs are known: ${reason}.`;
  return backupState === "unknown" ? `Nothing is known of its backups: ${reason}.` : `${state.why} Not all of its jobs and backups are known: ${reason}.`;
}

/** Returns how long ago an instant was, in one unit: `5 h`, `3 d`; a dash when there is none. */
export function since(at, now) {
  const from = typeof at === "number" ? at : instant(at);
  if (from === null || !Number.isFinite(from)) return UNKNOWN;
  return duration(elapsed(from, now)).split(" ")[0];
}

/** Returns the date and time of an instant in full, in the zone of the browser. */
export function fullTime(at) {
  const from = typeof at === "number" ? at : instant(at);
  if (from === null || !Number.isFinite(from)) return "";
  return new Date(from).toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
}

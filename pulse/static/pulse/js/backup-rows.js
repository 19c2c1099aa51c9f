// The rows of the backup lists, made from the state when somebody looks at them; pure.

import { instant, printable, UNKNOWN } from "./format.js";
import { BACKUP_STATES, backupLook } from "./words.js";

/** A snapshot of a guest that is older than this many days is told apart: it grows and slows the guest. */
export const OLD_SNAPSHOT_DAYS = 30;
const DAY_MS = 24 * 3600 * 1000;
const KINDS = { qemu: "VM", lxc: "LXC", vm: "VM", ct: "LXC", host: "host" };

/** Returns the guests that are not safe, worst first; those that nobody has judged yet are not among them. */
export function guestsAtRisk(guests) {
  return guests
    .filter((guest) => BACKUP_STATES[guest.backupState] && guest.backupState !== "good")
    .sort((a, b) => backupLook(b).rank - backupLook(a).rank || a.vmid - b.vmid);
}

/** Returns guests by `instance`, line break, `vmid`. */
export function guestsByNumber(guests) {
  return new Map(guests.map((guest) => [`${guest.instance}\n${guest.vmid}`, guest]));
}

/**
 * Returns all backups as rows. A storage of PVE that is a backup server shows what the server itself tells: such a row
 * is left out where a backup of the same guest and second is known from a server.
 */
export function backupRows(state, byNumber) {
  const rows = [];
  const onServers = new Set();
  for (const one of state.pbsBackups.values()) {
    onServers.add(`${one.vmid}\n${instant(one.backupTime)}`);
    rows.push(serverRow(one, byNumber));
  }
  for (const one of state.storageBackups.values()) {
    if (one.isPBS && onServers.has(`${one.vmid}\n${instant(one.time)}`)) continue;
    rows.push(storageRow(one, byNumber));
  }
  return rows;
}

function serverRow(one, byNumber) {
  const isKnown = one.attribution === "attributed" && one.guestInstance;
  // A number is used again: what is older than the guest that has it now is of another one.
  const guest = isKnown && !one.guestGone ? byNumber.get(`${one.guestInstance}\n${one.guestVmid}`) : undefined;
  return {
    id: one.id,
    guest,
    // A host is called by the id of its backups, a guest has a number there.
    name: guest?.name || one.comment || (one.backupType === "host" ? one.vmid : ""),
    number: one.backupType === "host" ? "" : one.vmid,
    kind: KINDS[one.backupType] ?? one.backupType,
    cluster: isKnown ? one.guestInstance : "",
    source: `${one.instance}/${one.datastore}${one.namespace ? `/${one.namespace}` : ""}`,
    at: instant(one.backupTime),
    size: one.unfinished ? null : one.size,
    verification: one.unfinished ? "unfinished" : one.verification || (one.verified ? "ok" : "never"),
    verifiedAt: instant(one.verifiedAt),
    isEncrypted: one.encrypted === true,
    isProtected: one.protected,
    owner: one.owner ?? "",
    attribution: one.attribution ?? "",
    note: one.comment ?? "",
    file: (one.files ?? []).join(", "),
  };
}

function storageRow(one, byNumber) {
  const guest = byNumber.get(`${one.instance}\n${one.vmid}`);
  const never = one.isPBS ? "never" : "none";
  return {
    id: one.id,
    guest,
    name: guest?.name ?? "",
    number: one.vmid ? String(one.vmid) : "",
    kind: KINDS[one.type] ?? "",
    cluster: one.instance,
    source: one.node && one.node !== one.storage ? `${one.storage} on ${one.node}` : one.storage,
    at: instant(one.time),
    size: one.size || null,
    verification: one.verification || (one.verified ? "ok" : never),
    verifiedAt: null,
    isEncrypted: one.encrypted === true,
    isProtected: one.protected,
    owner: "",
    attribution: "",
    note: one.notes ?? "",
    file: one.volid,
  };
}

/** Returns the backup tasks as rows. */
export function taskRows(state, byNumber) {
  return [...state.backupTasks.values()].map((one) => {
    const guest = byNumber.get(`${one.instance}\n${one.vmid}`);
    const [from, to] = [instant(one.startTime), instant(one.endTime)];
    return {
      id: one.id,
      guest,
      name: one.vmid ? guest?.name || `guest ${one.vmid}` : "several guests",
      number: one.vmid ? String(one.vmid) : "",
      outcome: one.outcome,
      node: one.node,
      cluster: one.instance,
      at: from,
      seconds: from !== null && to !== null ? Math.max(0, (to - from) / 1000) : null,
      user: one.user ?? "",
      text: one.error || (one.outcome === "ok" ? "" : one.status),
    };
  });
}

/** Returns the snapshots of guests as rows; `isOld` and `hasMemory` are what stands out. */
export function snapshotRows(state, byNumber, now) {
  return [...state.guestSnapshots.values()].map((one) => {
    const guest = byNumber.get(`${one.instance}\n${one.vmid}`);
    const at = instant(one.time);
    return {
      id: one.id,
      guest,
      name: one.name,
      guestName: guest?.name || `guest ${one.vmid}`,
      number: String(one.vmid),
      node: one.node,
      cluster: one.instance,
      at,
      isOld: at !== null && now - at > OLD_SNAPSHOT_DAYS * DAY_MS,
      hasMemory: one.vmstate === true,
      state: one.state ?? "",
      text: one.description ?? "",
    };
  });
}

/** Whether a job without an end has never run: a backup server says so; of a job of PVE the log of its tasks may just be short. */
export const hasNeverRun = (job) => !job.at && job.outcome !== "running" && job.kind !== "backup";

const JOB_LISTS = [
  ["backupJobs", "backup", "lastBackup"],
  ["syncJobs", "sync", "lastSync"],
  ["verifyJobs", "verify", "lastVerify"],
  ["pruneJobs", "prune", "lastPrune"],
  ["garbageJobs", "garbage collection", "lastGarbage"],
];

/**
 * Returns the jobs of these backup servers as rows, the five kinds in one list, and those backup jobs of PVE among `own` that write
 * to none of them: whose backups stay on other storages.
 */
export function jobRows(servers, own = []) {
  const rows = [];
  const onServers = new Set();
  for (const server of servers) {
    for (const [list, kind, last] of JOB_LISTS) {
      for (const job of server[list] ?? []) {
        if (kind === "backup") onServers.add(job.id);
        rows.push(jobRow(job, kind, last, server));
      }
    }
  }
  for (const job of own) {
    if (!onServers.has(job.id)) rows.push(jobRow(job, "backup", "lastBackup", { id: "", name: "" }));
  }
  return rows;
}

function jobRow(job, kind, last, server) {
  return {
    id: `${server.id}\n${kind}\n${job.id}`,
    job: job.id,
    kind,
    server: server.name,
    serverId: server.id,
    store: job.store,
    schedule: job.schedule ?? "",
    outcome: job.status,
    at: instant(job[last]),
    nextAt: job.disabled ? null : instant(job.nextRun),
    missedAt: instant(job.missedAt),
    isDisabled: job.disabled === true,
    text: job.error || (job.remote ? `${job.direction || "from"} ${job.remote}${job.remoteStore ? `, datastore ${job.remoteStore}` : ""}` : "") || (job.instance ? `of ${job.instance}` : ""),
  };
}

/** Returns how many jobs `jobRows` makes rows of. */
export function jobCount(servers, own = []) {
  let count = 0;
  const onServers = new Set();
  for (const server of servers) {
    for (const [list] of JOB_LISTS) count += (server[list] ?? []).length;
    for (const job of server.backupJobs ?? []) onServers.add(job.id);
  }
  for (const job of own) count += onServers.has(job.id) ? 0 : 1;
  return count;
}

/** Returns how many guests are in each state of backup, in words, worst first. */
export function riskCounts(guests) {
  const counts = new Map();
  for (const guest of guests) {
    const look = backupLook(guest);
    if (look) counts.set(look, (counts.get(look) ?? 0) + 1);
  }
  return [...counts].map(([look, count]) => ({ look, count })).sort((a, b) => b.look.rank - a.look.rank);
}

/** Returns the name of a guest as it is drawn, a dash for none. */
export function shownName(row) {
  return row.name ? printable(row.name) : UNKNOWN;
}

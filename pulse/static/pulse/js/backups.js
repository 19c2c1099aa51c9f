// The view of backups: guests at risk, all backups, tasks, snapshots, jobs, and the servers they are kept on. Loaded when
// it is opened first; its rows are made from the state then, and again only when what they are made from has changed.

import { backupRows, guestsAtRisk, guestsByNumber, hasNeverRun, jobCount, jobRows, riskCounts, shownName, snapshotRows, taskRows } from "./backup-rows.js";
import { BackupSources, emptyText } from "./backup-sources.js";
import { bytes, duration, printable, UNKNOWN } from "./format.js";
import { linkCell, ListTable, marksCell, stateCell, twoLines } from "./list.js";
import { statusOf } from "./order.js";
import { badge, find, make, setText } from "./page.js";
import { drawServers } from "./servers.js";
import { textCell } from "./table.js";
import { ATTRIBUTIONS, backupLook, backupWhy, fullTime, OUTCOMES, since, VERIFICATIONS } from "./words.js";

const NOT_JUDGED = { word: "not judged yet", icon: "clock", tone: "", rank: 0 };
const STALE = { word: "missed", icon: "clock", tone: "warn" };
const DISABLED = { word: "disabled", icon: "stopped", tone: "", rank: 0 };

/** The clock of the rows that are shown: it moves by whole minutes. */
let shownAt = 0;

const ago = (field, isNever = () => false) => textCell(
  (row) => (row[field] ? `${since(row[field], shownAt)} ago` : isNever(row) ? "never" : UNKNOWN),
  (row) => fullTime(row[field]),
);
const old = (field) => textCell((row) => since(row[field], shownAt), (row) => fullTime(row[field]));
const ahead = (field) => textCell(
  (row) => (row[field] ? (row[field] > shownAt ? `in ${duration((row[field] - shownAt) / 1000)}` : "now") : UNKNOWN),
  (row) => fullTime(row[field]),
);
const text = (field) => textCell((row) => (row[field] ? printable(row[field]) : UNKNOWN), (row) => (row[field] ? printable(row[field]) : ""));
const guestLink = linkCell(shownName, (row) => row.guest?.id);
const outcomeOf = (row) => OUTCOMES[row.outcome] ?? OUTCOMES.unknown;
const verificationOf = (row) => VERIFICATIONS[row.verification] ?? VERIFICATIONS.never;
const lastBackup = (guest) => Date.parse(guest.lastBackup) > 0 ? Date.parse(guest.lastBackup) : null;

function backupMarks(row) {
  const marks = [];
  if (row.isEncrypted) marks.push(["lock", "encrypted", ""]);
  if (row.isProtected) marks.push(["shield", "protected", ""]);
  // Of another house, which is no fault; but whose it is should be known.
  if (row.attribution === "foreign") marks.push(["stopped", ATTRIBUTIONS.foreign, ""]);
  else if (ATTRIBUTIONS[row.attribution]) marks.push([row.attribution === "unknown" ? "unknown" : "problem", ATTRIBUTIONS[row.attribution], "warn"]);
  return marks;
}

function snapshotMarks(row) {
  const marks = [];
  if (row.isOld) marks.push(["clock", "old", "warn"]);
  if (row.hasMemory) marks.push(["memory", "with memory", ""]);
  if (row.state) marks.push(["problem", printable(row.state), "warn"]);
  return marks;
}

const jobState = (row) => (row.isDisabled ? DISABLED : row.missedAt ? STALE : outcomeOf(row));

const risk = {
  columns: [
    { id: "state", label: "Backup", width: 116, rank: 0, build: stateCell((guest) => backupLook(guest) ?? NOT_JUDGED) },
    { id: "guest", label: "Guest", width: 170, rank: 0, isHeader: true, build: linkCell((guest) => printable(guest.name || `guest ${guest.vmid}`), (guest) => guest.id) },
    { id: "number", label: "ID", width: 60, rank: 2, build: textCell((guest) => String(guest.vmid)) },
    { id: "node", label: "Node", width: 104, rank: 3, build: textCell((guest) => printable(guest.node)) },
    { id: "cluster", label: "Cluster", width: 110, rank: 5, build: textCell((guest) => printable(guest.instance)) },
    { id: "runs", label: "Guest is", width: 90, rank: 4, build: textCell((guest) => printable(statusOf(guest))) },
    { id: "at", label: "Last good", width: 96, rank: 1, build: textCell((guest) => (lastBackup(guest) ? `${since(lastBackup(guest), shownAt)} ago` : "none known"), (guest) => fullTime(guest.lastBackup)) },
    { id: "why", label: "Why", width: 340, rank: 1, build: textCell(backupWhy, backupWhy) },
  ],
  compact: [
    { id: "guest", label: "Guest", width: 0, rank: 0, isHeader: true, build: twoLines(linkCell((guest) => printable(guest.name || `guest ${guest.vmid}`), (guest) => guest.id), (guest) => `${guest.vmid} · ${printable(guest.node)} · ${lastBackup(guest) ? `last good ${since(lastBackup(guest), shownAt)} ago` : "none known"}`) },
    { id: "state", label: "Backup", width: 0, rank: 0, build: stateCell((guest) => backupLook(guest) ?? NOT_JUDGED, backupWhy) },
  ],
  values: {
    state: (guest) => backupLook(guest)?.rank ?? null,
    guest: (guest) => guest.name,
    number: (guest) => guest.vmid,
    node: (guest) => guest.node,
    cluster: (guest) => guest.instance,
    runs: statusOf,
    at: lastBackup,
    why: backupWhy,
  },
  largest: new Set(["state"]),
  sort: "-state",
  words: (guest) => [guest.name, guest.vmid, guest.node, guest.instance, guest.backupState, guest.pool ?? "", ...(guest.tags ?? []), backupWhy(guest)],
  fields: (guest) => ({ backup: [guest.backupState], pool: [guest.pool ?? ""], tag: guest.tags ?? [], node: [guest.node], cluster: [guest.instance], status: [statusOf(guest)] }),
};

const all = {
  columns: [
    { id: "guest", label: "Guest", width: 160, rank: 0, isHeader: true, build: guestLink },
    { id: "number", label: "ID", width: 86, rank: 2, build: text("number") },
    { id: "kind", label: "Kind", width: 52, rank: 8, build: text("kind") },
    { id: "cluster", label: "Cluster", width: 104, rank: 9, build: text("cluster") },
    { id: "source", label: "Kept on", width: 190, rank: 3, build: text("source") },
    { id: "at", label: "Age", width: 72, rank: 1, build: old("at") },
    { id: "size", label: "Size", width: 84, rank: 5, build: textCell((row) => (row.size === null ? UNKNOWN : bytes(row.size))) },
    { id: "verified", label: "Verified", width: 108, rank: 4, build: stateCell(verificationOf, (row) => (row.verifiedAt ? `Verified ${fullTime(row.verifiedAt)}` : row.verification === "none" ? "Only a backup server verifies" : "")) },
    { id: "marks", label: "Marks", width: 210, rank: 6, build: marksCell(backupMarks) },
    { id: "owner", label: "Owner", width: 150, rank: 7, build: text("owner") },
    { id: "note", label: "Note", width: 140, rank: 10, build: text("note") },
  ],
  compact: [
    { id: "guest", label: "Guest", width: 0, rank: 0, isHeader: true, build: twoLines(guestLink, (row) => [row.number, printable(row.source), row.size === null ? "" : bytes(row.size), ATTRIBUTIONS[row.attribution] ?? ""].filter(Boolean).join(" · ")) },
    { id: "at", label: "Age", width: 0, rank: 0, build: old("at") },
    { id: "verified", label: "Verified", width: 0, rank: 0, build: stateCell(verificationOf) },
  ],
  values: {
    guest: (row) => row.name,
    number: (row) => row.number,
    kind: (row) => row.kind,
    cluster: (row) => row.cluster,
    source: (row) => row.source,
    // The younger one has the smaller age.
    at: (row) => (row.at === null ? null : -row.at),
    size: (row) => row.size,
    verified: (row) => verificationOf(row).rank,
    marks: (row) => backupMarks(row).map(([, word]) => word).join(" "),
    owner: (row) => row.owner,
    note: (row) => row.note,
  },
  largest: new Set(["size", "verified"]),
  sort: "at",
  words: (row) => [row.name, row.number, row.kind, row.cluster, row.source, row.owner, row.note, verificationOf(row).word, ...backupMarks(row).map(([, word]) => word)],
  fields: (row) => ({ verified: [row.verification === "ok" ? "ok" : row.verification], owner: [row.owner], source: [row.source], cluster: [row.cluster], whose: [row.attribution], is: backupMarks(row).map(([, word]) => word) }),
};

const tasks = {
  columns: [
    { id: "state", label: "Result", width: 104, rank: 0, build: stateCell(outcomeOf) },
    { id: "guest", label: "Guest", width: 170, rank: 0, isHeader: true, build: guestLink },
    { id: "number", label: "ID", width: 60, rank: 4, build: text("number") },
    { id: "node", label: "Node", width: 104, rank: 3, build: text("node") },
    { id: "cluster", label: "Cluster", width: 110, rank: 6, build: text("cluster") },
    { id: "at", label: "Started", width: 96, rank: 1, build: ago("at") },
    { id: "seconds", label: "Took", width: 90, rank: 5, build: textCell((row) => (row.seconds === null ? UNKNOWN : duration(row.seconds))) },
    { id: "user", label: "By", width: 140, rank: 7, build: text("user") },
    { id: "text", label: "What Proxmox says", width: 260, rank: 2, build: text("text") },
  ],
  compact: [
    { id: "guest", label: "Guest", width: 0, rank: 0, isHeader: true, build: twoLines(guestLink, (row) => [`${since(row.at, shownAt)} ago`, printable(row.node), printable(row.text)].filter(Boolean).join(" · ")) },
    { id: "state", label: "Result", width: 0, rank: 0, build: stateCell(outcomeOf) },
  ],
  values: {
    state: (row) => outcomeOf(row).rank,
    guest: (row) => row.name,
    number: (row) => (row.number ? Number(row.number) : null),
    node: (row) => row.node,
    cluster: (row) => row.cluster,
    at: (row) => (row.at === null ? null : -row.at),
    seconds: (row) => row.seconds,
    user: (row) => row.user,
    text: (row) => row.text,
  },
  largest: new Set(["state", "seconds"]),
  sort: "at",
  words: (row) => [row.name, row.number, row.node, row.cluster, row.user, row.text, outcomeOf(row).word],
  fields: (row) => ({ result: [outcomeOf(row).word], node: [row.node], cluster: [row.cluster], by: [row.user] }),
};

const snapshots = {
  columns: [
    { id: "guest", label: "Guest", width: 170, rank: 0, isHeader: true, build: linkCell((row) => printable(row.guestName), (row) => row.guest?.id) },
    { id: "number", label: "ID", width: 60, rank: 4, build: text("number") },
    { id: "name", label: "Snapshot", width: 150, rank: 1, build: text("name") },
    { id: "at", label: "Age", width: 72, rank: 1, build: old("at") },
    { id: "marks", label: "Marks", width: 220, rank: 2, build: marksCell(snapshotMarks) },
    { id: "node", label: "Node", width: 104, rank: 5, build: text("node") },
    { id: "cluster", label: "Cluster", width: 110, rank: 6, build: text("cluster") },
    { id: "text", label: "Description", width: 260, rank: 3, build: text("text") },
  ],
  compact: [
    { id: "guest", label: "Guest", width: 0, rank: 0, isHeader: true, build: twoLines(linkCell((row) => printable(row.guestName), (row) => row.guest?.id), (row) => [printable(row.name), printable(row.node), ...snapshotMarks(row).map(([, word]) => word)].join(" · ")) },
    { id: "at", label: "Age", width: 0, rank: 0, build: old("at") },
  ],
  values: {
    guest: (row) => row.guestName,
    number: (row) => Number(row.number),
    name: (row) => row.name,
    at: (row) => (row.at === null ? null : -row.at),
    marks: (row) => snapshotMarks(row).map(([, word]) => word).join(" "),
    node: (row) => row.node,
    cluster: (row) => row.cluster,
    text: (row) => row.text,
  },
  largest: new Set(["at"]),
  sort: "-at",
  words: (row) => [row.guestName, row.number, row.name, row.node, row.cluster, row.text, ...snapshotMarks(row).map(([, word]) => word)],
  fields: (row) => ({ node: [row.node], cluster: [row.cluster], is: snapshotMarks(row).map(([, word]) => word) }),
};

const jobs = {
  columns: [
    { id: "state", label: "Last run", width: 104, rank: 0, build: stateCell(jobState, (row) => (row.missedAt ? `The run of ${fullTime(row.missedAt)} did not happen` : "")) },
    { id: "job", label: "Job", width: 200, rank: 0, isHeader: true, build: linkCell((row) => printable(row.job), (row) => row.serverId) },
    { id: "kind", label: "Kind", width: 120, rank: 1, build: text("kind") },
    { id: "store", label: "Writes to", width: 130, rank: 3, build: text("store") },
    { id: "server", label: "Server", width: 110, rank: 6, build: text("server") },
    { id: "schedule", label: "Schedule", width: 100, rank: 5, build: text("schedule") },
    { id: "at", label: "Ended", width: 96, rank: 2, build: ago("at", hasNeverRun) },
    { id: "next", label: "Next run", width: 110, rank: 2, build: ahead("nextAt") },
    { id: "missed", label: "Missed", width: 110, rank: 4, build: ago("missedAt") },
    { id: "text", label: "What it says", width: 200, rank: 7, build: text("text") },
  ],
  compact: [
    { id: "job", label: "Job", width: 0, rank: 0, isHeader: true, build: twoLines(linkCell((row) => printable(row.job), (row) => row.serverId), (row) => [row.kind, printable(row.store), row.nextAt > shownAt ? `next in ${since(shownAt, row.nextAt)}` : ""].filter(Boolean).join(" · ")) },
    { id: "state", label: "Last run", width: 0, rank: 0, build: stateCell(jobState) },
  ],
  values: {
    state: (row) => (row.missedAt ? 4.5 : jobState(row).rank),
    job: (row) => row.job,
    kind: (row) => row.kind,
    store: (row) => row.store,
    server: (row) => row.server,
    schedule: (row) => row.schedule,
    at: (row) => (row.at === null ? null : -row.at),
    next: (row) => row.nextAt,
    missed: (row) => (row.missedAt === null ? null : -row.missedAt),
    text: (row) => row.text,
  },
  largest: new Set(["state"]),
  sort: "-state",
  words: (row) => [row.job, row.kind, row.store, row.server, row.schedule, row.text, jobState(row).word],
  fields: (row) => ({ result: [jobState(row).word], kind: [row.kind], server: [row.server], store: [row.store] }),
};

const LISTS = { risk, all, tasks, snapshots, jobs };
/** What each list is called, and what it says while there is nothing in it; the others ask what was read. */
const NAMES = {
  risk: ["guests at risk", "Every guest has a good backup from the last run of its jobs."],
  all: ["backups"],
  tasks: ["backup tasks"],
  snapshots: ["snapshots"],
  jobs: ["jobs", "No job is known, neither a backup job of Proxmox VE nor one of a backup server. See under Nodes what the accounts may not see."],
};

export class BackupsView {
  #list;
  #sources;
  #made = { from: [], rows: [] };
  #shown = null;

  /** `choose(changes)` is called with the parts of the view that a person has changed. */
  constructor(choose) {
    this.#list = new ListTable(find("backup-list"), (sort) => choose({ by: sort }));
    this.#sources = new BackupSources(() => this.#showAgain());
  }

  /** Shows the same once more, now that more is known of where it comes from; no row moves for that. */
  #showAgain() {
    const { state, guests, view, now, at } = this.#shown;
    this.show(state, guests, view, now + performance.now() - at, false);
  }

  /** Shows the chosen part; `now` is in epoch milliseconds. */
  show(state, guests, view, now, isWanted) {
    this.#shown = { state, guests, view, now, at: performance.now() };
    const isServers = view.part === "servers";
    find("backup-sheet").hidden = isServers;
    find("backup-servers").hidden = !isServers;
    const known = this.#sources.show(view.part, now);
    this.#sayCounts(state, guests, view);
    if (isServers) {
      drawServers(state, view, now);
      return;
    }
    const rows = this.#rowsOf(state, guests, view.part, now);
    const shown = this.#list.show(LISTS[view.part], rows, { q: view.q, sort: view.by, isWanted });
    this.#say(view, rows.length, shown, guests, known);
  }

  #rowsOf(state, guests, part, now) {
    const minute = Math.floor(now / 60_000);
    const from = { risk: [guests], all: [state.pbsBackups, state.storageBackups], tasks: [state.backupTasks], snapshots: [state.guestSnapshots], jobs: [state.pbs, state.backupJobs] }[part];
    // Names of guests are among the rows; their figures, which change all the time, are not.
    const names = guests.length;
    const key = [part, minute, names, ...from];
    if (part !== "risk" && key.every((one, index) => one === this.#made.from[index])) return this.#made.rows;
    shownAt = minute * 60_000;
    const byNumber = guestsByNumber(guests);
    const rows = {
      risk: () => guestsAtRisk(guests),
      all: () => backupRows(state, byNumber),
      tasks: () => taskRows(state, byNumber),
      snapshots: () => snapshotRows(state, byNumber, now),
      jobs: () => jobRows(state.pbs.values(), state.backupJobs.values()),
    }[part]();
    this.#made = { from: key, rows };
    return rows;
  }

  #sayCounts(state, guests, view) {
    const counts = {
      risk: guests.filter((guest) => guest.backupState && guest.backupState !== "good").length,
      all: state.pbsBackups.size + state.storageBackups.size,
      tasks: state.backupTasks.size,
      snapshots: state.guestSnapshots.size,
      jobs: jobCount(state.pbs.values(), state.backupJobs.values()),
      servers: state.pbs.size,
    };
    for (const link of document.querySelectorAll("[data-part-link]")) {
      const part = link.dataset.partLink;
      setText(link.lastElementChild, counts[part] === 0 && this.#sources.isBlind(part) ? UNKNOWN : String(counts[part]));
      if (part === view.part) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  #say(view, total, shown, guests, known) {
    const [noun, empty = emptyText(view.part, known)] = NAMES[view.part];
    setText(find("backup-count"), view.q ? `${shown} of ${total} ${noun}` : "");
    const note = find("no-backups");
    note.hidden = shown > 0;
    const isJudged = guests.some((guest) => guest.backupState);
    if (shown === 0 && total > 0) setText(note, `None of the ${total} ${noun} has “${printable(view.q)}” in its row.`);
    else if (shown === 0) setText(note, view.part === "risk" && !isJudged ? "No guest has been judged yet: jobs and backups are still being read." : empty);
    this.#advise(view, guests);
  }

  /** Says above the list how many guests are how, and what keeps the page from knowing more. */
  #advise(view, guests) {
    const place = find("backup-advice");
    const counts = view.part === "risk" ? riskCounts(guests) : [];
    place.hidden = counts.length === 0;
    const blind = guests.filter((guest) => guest.backupReason === "no_permission").length;
    const key = JSON.stringify([counts, blind]);
    if (place.hidden || place.dataset.shown === key) return;
    place.dataset.shown = key;
    const told = counts.map(({ look, count }) => badge(look, `${count} ${look.word}`));
    const see = make("a", { href: "#nodes" }, "what may Pulse see?");
    const why = blind ? make("span", { class: "quiet" }, `Not all backups of ${blind} guest${blind === 1 ? "" : "s"} may be listed: `, see) : "";
    place.replaceChildren(...told, why);
  }
}

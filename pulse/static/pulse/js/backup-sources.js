// How far the places were read from which the lists of backups come: how old that is, and what could not be read. An
// empty list says something only about places that were read.

import { instant, printable } from "./format.js";
import { find, icon, make, request, setText } from "./page.js";
import { blindText, fullTime, sentence, since } from "./words.js";

/** The places that the parts of the view come from; other parts say themselves how they are known. */
const KINDS = { all: ["storage", "datastore"], tasks: ["tasks"], snapshots: ["snapshots"] };
const WHAT = { storage: "Backups", datastore: "Backups", tasks: "Backup tasks", snapshots: "Snapshots" };
/** How often they are asked for while somebody looks; they change by minutes. And again when nobody answered. */
const AGAIN_MS = 60_000;
const RETRY_MS = 10_000;
/** So many groups stand open, and so many names in one. */
const MOST_LINES = 4;
const MOST_NAMES = 4;

/**
 * Returns what the places of a part tell: `oldest` epoch milliseconds of those that were read, null when none was;
 * `groups` of those that were not, `{instance, kind, reason, message, names}`; and how many there are of each.
 */
export function reading(sources, part) {
  const places = sources.filter((one) => KINDS[part].includes(one.kind));
  const blind = new Set(places.filter((one) => one.reason && !one.readFrom).map((one) => `${one.kind}\n${one.instance}`));
  // What a backup server tells is told by its own entry, unless that knows nothing of this place.
  const isOwn = (one) => !one.readFrom || (one.reason && !blind.has(`datastore\n${one.readFrom}`));
  const own = places.filter(isOwn);
  const [read, unread] = [own.filter((one) => !one.reason), own.filter((one) => one.reason)];
  const times = read.map((one) => instant(one.readAt)).filter((at) => at !== null);
  const groups = new Map();
  for (const { instance, kind, reason, message, ...place } of unread) {
    const key = [instance, kind, reason, message].join("\n");
    if (!groups.has(key)) groups.set(key, { instance, kind, reason, message, names: [] });
    const name = nameOf(kind, place);
    if (name) groups.get(key).names.push(name);
  }
  return { oldest: times.length ? Math.min(...times) : null, groups: [...groups.values()], read: read.length, unread: unread.length };
}

function nameOf(kind, { name, node, namespace }) {
  if (kind === "storage") return node ? `${name} on ${node}` : name;
  return namespace ? `${name}/${namespace}` : name;
}

/** Returns a group as a sentence: whose backups are not known, and why. */
export function groupText({ instance, kind, reason, message, names }) {
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
  const listed = names.slice(0, MOST_NAMES).map(printable).join(", ");
  const where = listed ? `${kind === "storage" || kind === "datastore" ? "in" : "of"} ${listed}${more} (${printable(instance)})` : `of ${printable(instance)}`;
  const told = message ? ` ${sentence(printable(message))}` : "";
  return `${WHAT[kind]} ${where}: ${blindText(reason)}.${told}`;
}

/** Returns what an empty list says; `known` is null until the server has told its sources. */
export function emptyText(part, known) {
  if (known === null) return "Nothing is listed. What has been read so far is not known yet.";
  if (known.read + known.unread === 0) return "Nothing is listed: no connection tells of a place for backups.";
  if (known.read === 0) return "Nothing has been read, so nothing is known: see above.";
  const rest = known.unread ? " The others are named above." : "";
  return { all: "There is no backup in the places that were read.", tasks: "No backup task is known to the nodes that were read.", snapshots: "No guest that was read has a snapshot." }[part] + rest;
}

/** The line and the notice above a list. */
export class BackupSources {
  #sources = null;
  #askAt = 0;
  #isAsking = false;
  #onNews;

  /** `onNews()` is called when the server has told something new. */
  constructor(onNews) {
    this.#onNews = onNews;
  }

  /** Shows what is known for a part, and asks for more when that is old; `now` is in epoch milliseconds. */
  show(part, now) {
    const place = find("backup-sources");
    const isShown = part in KINDS;
    if (isShown) this.#ask();
    const known = isShown && this.#sources ? reading(this.#sources, part) : null;
    place.hidden = known === null;
    if (known !== null) this.#draw(known, now);
    return known;
  }

  /** Returns whether nothing of a part has been read, so that a count of it says nothing. */
  isBlind(part) {
    if (!(part in KINDS) || this.#sources === null) return false;
    const { read, unread } = reading(this.#sources, part);
    return read === 0 && unread > 0;
  }

  async #ask() {
    if (this.#isAsking || performance.now() < this.#askAt) return;
    this.#isAsking = true;
    try {
      ({ sources: this.#sources } = await request("GET", "/api/backups/sources"));
      this.#askAt = performance.now() + AGAIN_MS;
      this.#onNews();
    } catch {
      this.#askAt = performance.now() + RETRY_MS; // what was told before stays, with its age
    } finally {
      this.#isAsking = false;
    }
  }

  #draw({ oldest, groups }, now) {
    const line = find("backup-read");
    line.hidden = oldest === null;
    if (oldest !== null) setText(line, `Read ${since(oldest, now)} ago`);
    line.title = fullTime(oldest);
    const notice = find("backup-unread");
    const key = JSON.stringify(groups);
    notice.hidden = groups.length === 0;
    if (notice.hidden || notice.dataset.shown === key) return;
    notice.dataset.shown = key;
    const isWaiting = groups.every(({ reason }) => reason === "not_read_yet");
    notice.dataset.state = isWaiting ? "" : "warn";
    notice.replaceChildren(icon(isWaiting ? "clock" : "problem"), noticeOf(groups, isWaiting));
  }
}

function noticeOf(groups, isWaiting) {
  const lines = groups.map((group) => make("li", {}, groupText(group)));
  const rest = lines.splice(MOST_LINES);
  const more = rest.length ? make("details", {}, make("summary", {}, `and ${rest.length} more`), make("ul", {}, ...rest)) : "";
  const isDenied = groups.some(({ reason }) => reason === "no_permission");
  const hint = isDenied ? make("p", {}, "Which right is missing: ", make("a", { href: "#nodes" }, "what may Pulse see?")) : "";
  const head = isWaiting ? "Still being read, so this list is not complete yet." : "This list is not complete.";
  return make("div", {}, make("p", {}, make("strong", {}, head)), make("ul", {}, ...lines), more, hint);
}

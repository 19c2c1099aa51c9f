// How the reading of Proxmox's own records goes, in words; pure.

import { elapsed, instant, printable } from "./format.js";

const OPEN = new Set(["waiting", "running"]);
/** For how long it is worth a word that the records could not be read. */
const TOLD_SECONDS = 86_400;
const REASONS = { added: "from before it was watched", gap: "of a time in which nothing was seen" };

/** Returns whether any of them is still to be done, so that it is worth asking again. */
export const isAnyOpen = (backfills) => backfills.some(({ state }) => OPEN.has(state));

/** Returns the name of the connection that a resource is of. */
export const instanceOf = ({ collection, resource }) => (collection === "pbs" || collection === "pmg" ? resource.name : resource.instance);

/**
 * Returns what is told of the reading for one instance, `{id, text, share, tone}`, null where there is nothing to tell: `share` is how far
 * it has come, of 0 to 1, null while that is not known or when it goes no further.
 */
export function backfillOf(backfills, instance, now) {
  const own = backfills.filter(({ instanceName }) => instanceName === instance);
  const open = own.find(({ state }) => state === "running") ?? own.find(({ state }) => state === "waiting");
  if (open) return progress(open);
  const [last] = own.filter(({ ended }) => instant(ended ?? "") !== null).sort((a, b) => instant(b.ended) - instant(a.ended));
  const age = last ? elapsed(instant(last.ended), now) : null;
  if (last?.state !== "failed" || age === null || age > TOLD_SECONDS) return null;
  return { id: last.id, text: `Proxmox's own records could not be read: ${printable(last.message || "its log says why")}`, share: null, tone: "warn" };
}

function progress({ id, state, reason, done, total, failed, message }) {
  const what = Object.hasOwn(REASONS, reason) ? ` ${REASONS[reason]}` : "";
  const text = `Reading Proxmox's own records${what}`;
  if (state === "waiting" || !total) return { id, text: `${text}: ${message ? printable(message) : "waiting for its turn"}`, share: null, tone: "" };
  const lost = failed ? `, ${failed} could not be read` : "";
  const last = message ? ` (${printable(message)})` : "";
  return { id, text: `${text}: ${done} of ${total}${lost}${last}`, share: done / total, tone: "" };
}

// What backup servers and mail gateways tell, in words. Pure.

import { bytes, duration, printable } from "./format.js";

/** What can be had of a datastore. */
export const DATASTORE_STATES = {
  available: { word: "available", icon: "ok", tone: "ok" },
  unavailable: { word: "cannot be read", icon: "offline", tone: "bad" },
  unknown: { word: "figures not told", icon: "unknown", tone: "warn" },
};

/** Kinds of maintenance of a datastore; others are shown as the server spells them. */
export const MAINTENANCES = {
  "read-only": "read-only",
  offline: "offline",
  unmount: "being unmounted",
  delete: "being deleted",
  "s3-refresh": "being read anew from S3",
};

const BACKENDS = { filesystem: "file system", s3: "S3: the figures are of its local cache" };

/** Returns the maintenance of a datastore with its message, "" when it is in service. */
export function upkeepText({ maintenance, maintenanceMessage }) {
  if (!maintenance) return "";
  const word = Object.hasOwn(MAINTENANCES, maintenance) ? MAINTENANCES[maintenance] : printable(maintenance);
  return `maintenance: ${word}${maintenanceMessage ? ` (${printable(maintenanceMessage)})` : ""}`;
}

/** Returns everything that keeps a datastore from being used, or from being known; "" when nothing does. */
export function troubleText(store) {
  const upkeep = upkeepText(store);
  const error = store.error ? printable(store.error) : "";
  if (upkeep || error) return [upkeep, error].filter(Boolean).join(" · ");
  return store.status === "available" ? "" : (DATASTORE_STATES[store.status] ?? DATASTORE_STATES.unknown).word;
}

/** Returns on what a datastore is kept: `file system`, `S3`, `file system, removable`. */
export function keptOn({ backend, mountStatus }) {
  const place = Object.hasOwn(BACKENDS, backend ?? "") ? BACKENDS[backend] : printable(backend ?? "");
  const isRemovable = mountStatus === "mounted" || mountStatus === "notmounted";
  return [place, isRemovable ? "removable" : ""].filter(Boolean).join(", ");
}

/** The totals of a mail gateway since its midnight, in the order in which they are shown. */
export const MAIL_STATISTICS = {
  countIn: "Mails in",
  countOut: "Mails out",
  bytesIn: "Volume in",
  bytesOut: "Volume out",
  junkIn: "Junk in",
  spamIn: "Spam in",
  spamOut: "Spam out",
  virusIn: "Viruses in",
  virusOut: "Viruses out",
  greylisted: "Greylisted",
  spfRejects: "Refused by SPF",
  rblRejects: "Refused by block lists",
  bouncesIn: "Bounces in",
  bouncesOut: "Bounces out",
  averageSeconds: "Average time to process",
};

/** Returns one of these totals with its unit. */
export function mailFigure(name, value) {
  if (name.startsWith("bytes")) return bytes(value);
  if (name.endsWith("Seconds")) return secondsText(value);
  return `${value.toLocaleString("en-US").replaceAll(",", "\u202f")} ${value === 1 ? "mail" : "mails"}`;
}

/** Returns a span; short ones with a decimal. */
export function secondsText(seconds) {
  return seconds < 60 && !Number.isInteger(seconds) ? `${seconds.toFixed(1)}\u202fs` : duration(seconds);
}

/** Returns since when the mails of a column of a queue wait: "5m" is `up to 5 min`, "1280m+" `over 21 h 20 min`. */
export function queueAge(column) {
  const [, minutes, more] = /^(\d+)m(\+?)$/u.exec(column) ?? [];
  if (minutes === undefined) return printable(column);
  return `${more ? "over" : "up to"} ${duration(Number(minutes) * 60)}`;
}

/** Returns what a product calls its release: "PVE 9.2.4" for "pve-manager/9.2.4/5a1c…", the text itself where it holds no number. */
export function versionText(product, told) {
  const number = /\d+\.\d+(?:[.-]\d+)*/u.exec(told ?? "")?.[0];
  return number ? `${product} ${number}` : printable(told ?? "");
}

/** Levels of a subscription. */
export const LEVELS_OF_SUPPORT = { c: "community", b: "basic", s: "standard", p: "premium" };

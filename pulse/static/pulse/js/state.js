// The state as the page keeps it, and how changes turn one into the next; pure.
//
// Each collection is a Map by id. Those of resources are in the documented order (state.md 2); the long lists are put
// in order when somebody looks at them (`listOf`). Nothing is changed in place: a resource that is another object than
// before has changed, and one that is the same has not.

import { elapsed } from "./format.js";

const RESOURCES = ["nodes", "vms", "containers", "storage", "pbs", "pmg", "concerns"];
/** The long lists, each with the field that orders it, the newest first. */
const LISTS = { backupTasks: "startTime", storageBackups: "time", guestSnapshots: "time", backupJobs: "lastBackup", pbsBackups: "backupTime" };
const COLLECTIONS = [...RESOURCES, ...Object.keys(LISTS)];
const TOP = ["lastUpdate", "connectionHealth", "performance", "stats"];

/** The documented order of a collection: the fields to compare, one after the other. PBS come first seen first. */
const ORDER = {
  nodes: ["name", "instance"],
  vms: ["vmid", "instance", "id"],
  containers: ["vmid", "instance", "id"],
  storage: ["instance", "name", "node"],
  pbs: [],
  pmg: [],
  concerns: ["level", "instance", "id"],
};

/** Returns the state of a `state` message. */
export function fromWire(state) {
  const kept = {};
  for (const name of COLLECTIONS) {
    const told = state[name] ?? state.pveBackups?.[name];
    const items = Array.isArray(told) ? told : [];
    kept[name] = new Map(items.map((item) => [item.id, item]));
  }
  for (const name of TOP) kept[name] = state[name] ?? NO_TOP[name];
  return kept;
}

const NO_TOP = { lastUpdate: "", connectionHealth: {}, performance: {}, stats: {} };

/** What the page has before the first message. */
export const NOTHING = fromWire({});

/** Returns the collections and the top of a state as the wire has them. */
export function toWire(state) {
  const wire = {};
  for (const name of RESOURCES) wire[name] = [...state[name].values()];
  const { pbsBackups, ...others } = Object.fromEntries(Object.keys(LISTS).map((name) => [name, listOf(state, name)]));
  if (others.backupJobs.length === 0) delete others.backupJobs;
  Object.assign(wire, { pbsBackups, pveBackups: others });
  for (const name of TOP) wire[name] = state[name];
  return wire;
}

/** Whether the sizes of a datastore are those of the local cache of an object store. */
export const isCached = (store) => store.backend === "s3";

/** Returns a long list in its order: the newest first, those of one instant by id. */
export function listOf(state, name) {
  const field = LISTS[name];
  return [...state[name].values()].sort((a, b) => compare(b[field], a[field]) || compare(a.id, b.id));
}

/**
 * Returns the state after a `changes` message; null when it speaks of something that is not here, which means
 * that a message was lost and the whole state is needed.
 */
export function apply(state, message) {
  const next = { ...state };
  for (const name of TOP) {
    if (message.top && name in message.top) next[name] = message.top[name];
  }
  for (const name of COLLECTIONS) {
    const change = message.collections?.[name];
    if (!change) continue;
    const changed = applyTo(state[name], change, ORDER[name] ?? []);
    if (changed === null) return null;
    next[name] = changed;
  }
  return next;
}

function applyTo(items, change, order) {
  const next = new Map(items);
  for (const id of change.gone ?? []) next.delete(id);
  if (!setFigures(next, change.cols ?? [], change.rows ?? [])) return null;
  let isSorted = true;
  for (const item of change.set ?? []) {
    const before = next.get(item.id);
    // A Map keeps the place of a key that is set again: right as long as what it is sorted by stays.
    if (!before || order.some((field) => before[field] !== item[field])) isSorted = false;
    next.set(item.id, item);
  }
  return isSorted || order.length === 0 ? next : inOrder(next, order);
}

/** Writes rows of figures, each the id and one value per dotted path; false when an id is not known. */
function setFigures(items, columns, rows) {
  const paths = columns.map((column) => column.split("."));
  for (const [id, ...values] of rows) {
    const before = items.get(id);
    if (!before) return false;
    const after = { ...before };
    paths.forEach(([outer, inner], index) => {
      if (inner === undefined) after[outer] = values[index];
      else after[outer] = { ...after[outer], [inner]: values[index] };
    });
    items.set(id, after);
  }
  return true;
}

function inOrder(items, order) {
  const sorted = [...items.values()].sort((a, b) => {
    for (const field of order) {
      const sign = compare(a[field], b[field]);
      if (sign) return sign;
    }
    return 0;
  });
  return new Map(sorted.map((item) => [item.id, item]));
}

/** Compares numbers by size and texts by code points, as the server does. */
function compare(a, b) {
  if (a === b) return 0;
  if (typeof a === "string" && typeof b === "string") return compareTexts(a, b);
  return a < b ? -1 : 1;
}

function compareTexts(a, b) {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  if (at === length) return a.length - b.length;
  const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)];
  // Half of a character beyond 16 bits is a smaller number than U+E000, but part of a larger character.
  const isHalf = (unit) => unit >= 0xd800 && unit <= 0xdfff;
  if (isHalf(left) !== isHalf(right)) return isHalf(left) ? 1 : -1;
  return left - right;
}

/**
 * Returns all guests, each with what the page knows beyond the wire: `isStale` (figures of before), `isUnknown`
 * (its node is down or nothing was ever read: neither its status nor its figures hold) and `oldMinutes`, the age of
 * stale figures in whole minutes, null for all others and when nobody knows.
 *
 * `reuse` maps what was returned last time, so that unchanged guests stay the same objects; `now` is in epoch
 * milliseconds.
 */
export function guestsOf(state, reuse = new Map(), now = 0) {
  const down = new Set();
  for (const node of state.nodes.values()) {
    if (node.status !== "online") down.add(`${node.instance}\n${node.name}`);
  }
  const guests = [];
  for (const name of ["vms", "containers"]) {
    for (const wire of state[name].values()) {
      const isUnknown = wire.status === "unknown" || down.has(`${wire.instance}\n${wire.node}`);
      const isStale = isUnknown || wire.stale === true || state.connectionHealth[wire.instance] === false;
      const oldMinutes = isStale ? minutesSince(wire.lastSeen, now) : null;
      const before = reuse.get(wire.id);
      const isSame = before && before.wire === wire && before.isStale === isStale && before.isUnknown === isUnknown;
      if (isSame && before.oldMinutes === oldMinutes) {
        guests.push(before);
        continue;
      }
      const guest = { ...wire, wire, isStale, isUnknown, oldMinutes };
      reuse.set(wire.id, guest);
      guests.push(guest);
    }
  }
  if (reuse.size > guests.length) {
    const present = new Set(guests.map((guest) => guest.id));
    for (const id of reuse.keys()) if (!present.has(id)) reuse.delete(id);
  }
  return guests;
}

/** Returns the whole minutes since an RFC 3339 instant; null for the contract's zero time and for none at all. */
export function minutesSince(text, now) {
  const at = Date.parse(text);
  const seconds = at > 0 ? elapsed(at, now) : null;
  return seconds === null ? null : Math.floor(seconds / 60);
}

/** Returns the key of a configured connection in `connectionHealth`. */
export function healthKey({ type, name }) {
  return type === "pve" ? name : `${type}-${name}`;
}

/** Returns whether the list of connections calls one connected that does not answer any more: it was read too early. */
export function isBehind(state, instances) {
  return (instances ?? []).some((one) => one.status === "connected" && state.connectionHealth[healthKey(one)] === false);
}

"""The rows of /cluster/resources at one round of pvestatd, as all nodes know them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from math import pi, sin
from typing import Any

from tests.fake_proxmox import curves
from tests.fake_proxmox.model import GIB, Cluster, Guest, Node, Storage

#: A line of pvestatd lives this long; without a new one the object is unknown.
LINE_SECONDS = 300.0
#: Counters of a guest on the wire; each grows by a rate of its load.
_COUNTERS = ("netin", "netout", "diskread", "diskwrite")
#: What a node row shows only with Sys.Audit on it.
NODE_FIGURES = ("cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk", "uptime")

Row = dict[str, Any]


def encode(data: object, **beside: object) -> bytes:
    """Return an answer's body as Proxmox writes it: no blanks, UTF-8, NaN if there is one; `beside` stands next to `data`."""
    return json.dumps({"data": data, **beside}, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Rows:
    """All rows of one round."""

    guests: list[Row]
    nodes: list[Row]
    storages: list[Row]
    networks: list[Row]
    pools: list[Row]

    @cached_property
    def by_vmid(self) -> dict[int, Row]:
        """The guest rows by number."""
        return {row["vmid"]: row for row in self.guests}


class Round:
    """The rows of a cluster, computed once per round and change."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._key: tuple[float, int] = (-1.0, -1)
        self._rows = Rows([], [], [], [], [])

    def rows(self, key: tuple[float, int], now: float) -> Rows:
        """Return the rows of a round, `key` = (when it began, revision); the next round reuses them, so do not keep them."""
        if key != self._key:
            self._rows = self._compute(key[0], now)
            self._key = key
        return self._rows

    def _compute(self, at: float, now: float) -> Rows:
        cluster = self._cluster
        load: dict[str, list[float]] = {name: [0.0, 0.0] for name in cluster.nodes}
        guests = []
        for guest in cluster.guests.values():
            node = cluster.nodes[guest.node]
            silent = node.silent_since
            if silent is not None and now - silent > LINE_SECONDS:
                guests.append(_unknown_guest(guest))
                continue
            row = _guest_row(guest, at if silent is None else min(at, silent), cluster)
            guests.append(row)
            used = load[guest.node]
            used[0] += row["cpu"] * row["maxcpu"]
            used[1] += row["mem"]
        nodes = [_node_row(node, at, now, load[node.name]) for node in cluster.nodes.values()]
        return Rows(guests, nodes, self._storages(at, now), self._networks(), _pools(guests))

    def _storages(self, at: float, now: float) -> list[Row]:
        rows = []
        for storage in self._cluster.storages.values():
            if storage.is_disabled:
                continue
            for number, node in enumerate(self._cluster.nodes.values()):
                if not storage.nodes or node.name in storage.nodes:
                    rows.append(_storage_row(storage, node, number, at, now))
        return rows

    def _networks(self) -> list[Row]:
        cluster = self._cluster
        if cluster.version.number < (8, 1):
            return []
        if cluster.version.number < (9, 1):
            return [
                {
                    "id": f"sdn/{node}/localnetwork",
                    "type": "sdn",
                    "node": node,
                    "sdn": "localnetwork",
                    "status": "ok",
                }
                for node in cluster.nodes
            ]
        return [
            {
                "id": f"network/{node}/zone/localnetwork",
                "type": "network",
                "node": node,
                "network": "localnetwork",
                "network-type": "zone",
                "status": "ok",
            }
            for node in cluster.nodes
        ]


def _unknown_guest(guest: Guest) -> Row:
    row: Row = {
        "id": f"{guest.kind}/{guest.vmid}",
        "type": guest.kind,
        "vmid": guest.vmid,
        "node": guest.node,
        "status": "unknown",
    }
    if guest.hastate:
        row["hastate"] = guest.hastate
    return row


def _still_row(guest: Guest, cluster: Cluster) -> Row:
    """Return the row of a guest that does not run: everything a running one overwrites is 0."""
    row: Row = {
        "id": f"{guest.kind}/{guest.vmid}",
        "type": guest.kind,
        "vmid": guest.vmid,
        "name": guest.name,
        "node": guest.node,
        "status": guest.status,
        "template": int(guest.is_template),
        "cpu": 0,
        "maxcpu": guest.cpus,
        "mem": 0,
        "maxmem": guest.memory_bytes,
        "disk": 0,
        "maxdisk": guest.disk_bytes,
        "uptime": 0,
        **dict.fromkeys(_COUNTERS, 0),
    }
    for key in ("tags", "pool", "lock", "hastate"):
        if text := getattr(guest, key):
            row[key] = text
    if cluster.version_of(guest.node).number >= (9, 0):
        row["memhost"] = 0
    return row


def _guest_row(guest: Guest, at: float, cluster: Cluster) -> Row:
    row = guest.row
    if row is None:
        row = guest.row = _still_row(guest, cluster)
        row.update(guest.fixed)
    if guest.started_at is None:
        return row
    row["uptime"] = int(max(at, guest.started_at) - guest.started_at)
    row.update(running_figures(guest, max(at, guest.started_at)))
    if guest.kind == "qemu" and "memhost" in row and "memhost" not in guest.fixed:
        memory = int(guest.memory_bytes * curves.memory_ratio(guest.load, max(at, guest.started_at)))
        row["memhost"] = min(guest.memory_bytes, int(memory * 1.04)) + 150_994_944
    return row


def running_figures(guest: Guest, at: float) -> Row:
    """Return what moves of a guest that runs at an instant, with what was fixed."""
    load, since = guest.load, guest.counted_from
    busy = moved = 0.0
    if at > since:
        busy = curves.busy_seconds(load, at) - curves.busy_seconds(load, since)
        moved = curves.disk_seconds(load, at) - curves.disk_seconds(load, since)
    row: Row = {
        "cpu": curves.cpu_ratio(load, at) if guest.status == "running" else 0,
        "mem": int(guest.memory_bytes * curves.memory_ratio(load, at)),
        "netin": int(busy * load.network_in_rate),
        "netout": int(busy * load.network_out_rate),
        "diskread": int(moved * load.disk_read_rate),
        "diskwrite": int(moved * load.disk_write_rate),
    }
    if guest.kind == "lxc":
        row["disk"] = root_bytes_of(guest, at)
    for key, (value, from_at, per_second) in guest.rated.items():
        row[key] = int(value + max(0.0, at - from_at) * per_second)
    if guest.fixed:
        row.update(guest.fixed)
    return row


def root_bytes_of(guest: Guest, at: float) -> int:
    """Return what of the root file system of a container is in use."""
    return int(guest.disk_bytes * (guest.disk_ratio + 0.004 * (at / 86_400 % 7)))


def node_root_bytes(node: Node, at: float) -> int:
    """Return what of the root file system of a node is in use."""
    return int(node.root_bytes * (node.root_ratio + 0.01 * (at / 86_400 % 7)))


def node_memory_bytes(node: Node, guests: float) -> int:
    """Return what of a node's memory is in use; `guests` is how much of it those it runs have."""
    return min(int(node.memory_bytes * 0.985), int(guests * 1.01) + int(1.4 * GIB))


def node_figures(node: Node, at: float, guests: list[float]) -> Row:
    """Return what a node says of itself; `guests` is (CPUs in use, bytes in use) of those it runs."""
    idle = curves.cpu_ratio(node.load, at)
    figures: Row = {
        "cpu": min(0.99, idle + guests[0] / node.cpus),
        "maxcpu": node.cpus,
        "mem": node_memory_bytes(node, guests[1]),
        "maxmem": node.memory_bytes,
        "disk": node_root_bytes(node, at),
        "maxdisk": node.root_bytes,
        "uptime": int(max(0.0, at - node.started_at)),
    }
    figures.update(node.fixed)
    return figures


def _node_row(node: Node, at: float, now: float, guests: list[float]) -> Row:
    row: Row = {"id": f"node/{node.name}", "type": "node", "node": node.name, "status": "online", "level": ""}
    row["cgroup-mode"] = 2
    if node.hastate:
        row["hastate"] = node.hastate
    if node.died_at is not None:
        return {**row, "status": "offline"}
    if node.frozen_at is not None:
        if now - node.frozen_at > LINE_SECONDS:
            return {**row, "status": "unknown"}
        at = min(at, node.frozen_at)
    return {**row, **node_figures(node, at, guests)}


def _storage_row(storage: Storage, node: Node, number: int, at: float, now: float) -> Row:
    row: Row = {
        "id": f"storage/{node.name}/{storage.name}",
        "type": "storage",
        "storage": storage.name,
        "node": node.name,
        "plugintype": storage.plugin,
        "content": storage.content,
        "shared": int(storage.is_shared),
        "status": "available",
    }
    silent = node.silent_since
    if node.name in storage.inactive_on or (silent is not None and now - silent > LINE_SECONDS):
        return {**row, "status": "unknown"}
    return {**row, "disk": storage_bytes(storage, number, at), "maxdisk": storage.total_bytes}


def storage_bytes(storage: Storage, number: int, at: float) -> int:
    """Return what of a storage is in use, as the node of that number in its cluster sees it."""
    ratio = storage.used_ratio if storage.is_shared else storage.used_ratio * (0.8 + 0.06 * (number % 6))
    # A week's growth, then the prune; the breath of a day on top, so that neighbours differ.
    ratio += 0.02 * (at / 604_800 % 1) + 0.002 * sin(at * 2 * pi / 86_400 + number * (not storage.is_shared))
    return int(storage.total_bytes * ratio)


def _pools(guests: list[Row]) -> list[Row]:
    sums: dict[str, Row] = {}
    for row in guests:
        pool = row.get("pool")
        if not pool:
            continue
        entry = sums.setdefault(pool, {"id": f"/pool/{pool}", "type": "pool", "pool": pool})
        if row["status"] == "running":
            for key in ("mem", "maxmem", "disk", "maxdisk", "maxcpu"):
                entry[key] = entry.get(key, 0) + row[key]
            entry["cpu"] = entry.get("cpu", 0) + row["cpu"] * row["maxcpu"]
    for entry in sums.values():
        if entry.get("maxcpu"):
            entry["cpu"] /= entry["maxcpu"]
    return list(sums.values())

"""`/api/charts`: the points of a range. Until history is kept, each resource has one point: its current value.

That is the contract's answer for a resource without points in the range (http-api.md 4.1).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse

from monitoring.api.answers import Charts
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.storages import StorageFigures
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.store.current import store
from monitoring.wire.finding import resources_of
from monitoring.wire.guests import rates_of
from monitoring.wire.ids import Label
from monitoring.wire.usage import usage
from pulse.lib.auth import Access
from pulse.lib.endpoints import Operation, Parameter, PreparedEndpoint, Tag

Point = dict[str, float | int]
Series = dict[str, list[Point]]
#: What an instance is called, and all that is true of it.
Named = tuple[Label, Figures]


RANGES = ("5m", "15m", "30m", "1h", "4h", "12h", "24h", "7d")


class ChartsView(PreparedEndpoint):
    """Points over time."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: Charts},
        parameters={"range": Parameter("How far back. Anything else counts as `1h`.", "24h", RANGES)},
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """Charts of all guests, nodes and storages

        No history is kept in this release: each series has one point, its value now, whatever the range.
        """
        body = charts_of(known_figures(), at_ms=int(time.time()) * 1000)
        return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def known_figures() -> Iterable[Named]:
    """Yield what is true of each instance that is shown, and what it is called."""
    for key, fragment in store().fragments().items():
        if key.part == "resources":
            memory = store().load(MEMORY, of=key.instance_id) or PollMemory()
            yield (
                Label(fragment.name, storage_ids=memory.storage_ids, node_ids=memory.node_ids),
                memory.figures,
            )


def charts_of(instances: Iterable[Named], *, at_ms: int) -> dict[str, Any]:
    """Return the charts object; what is stale has no point. Times are in milliseconds."""
    data: dict[str, Series] = {}
    node_data: dict[str, Series] = {}
    storage_data: dict[str, Series] = {}
    for label, figures in instances:
        for identity, resource in resources_of(figures, label):
            match resource:
                case GuestFigures():
                    data[identity] = guest_series(resource, at_ms)
                case NodeFigures():
                    node_data[identity] = node_series(resource, at_ms)
                case StorageFigures():
                    storage_data[identity] = storage_series(resource, at_ms)
    return {
        "data": data,
        "nodeData": node_data,
        "storageData": storage_data,
        "timestamp": at_ms,
        "stats": {"oldestDataTimestamp": at_ms},
    }


def guest_series(guest: GuestFigures, at_ms: int) -> Series:
    """Return the seven series of a guest; percent, and bytes per second."""
    memory, disk = guest.memory, guest.disk
    rates = rates_of(guest.rates) if guest.rates is not None else (None,) * 4
    values: dict[str, float | None] = {
        "cpu": (guest.cpu_ratio or 0.0) * 100,
        "memory": usage(memory.used_bytes, memory.total_bytes).usage,
        "disk": None if disk.reason else usage(disk.used_bytes, disk.total_bytes).usage,
        **dict(zip(("netin", "netout", "diskread", "diskwrite"), rates, strict=True)),
    }
    return points(values, at_ms, is_stale=guest.is_stale)


def node_series(node: NodeFigures, at_ms: int) -> Series:
    """Return the three series of a node, in percent."""
    values: dict[str, float | None] = {
        "cpu": (node.cpu_ratio or 0.0) * 100,
        "memory": usage(node.memory_used_bytes, node.memory_total_bytes).usage,
        "disk": usage(node.root.used_bytes, node.root.total_bytes).usage,
    }
    return points(values, at_ms, is_stale=node.is_stale or node.status != "online")


def storage_series(storage: StorageFigures, at_ms: int) -> Series:
    """Return the one series of a storage, in percent."""
    share = usage(storage.used_bytes, storage.total_bytes).usage
    return points({"disk": share}, at_ms, is_stale=storage.is_stale or storage.status != "available")


def points(values: dict[str, float | None], at_ms: int, *, is_stale: bool) -> Series:
    """Return one point per known value."""
    return {
        name: [] if is_stale or value is None else [{"timestamp": at_ms, "value": round(float(value), 2)}]
        for name, value in values.items()
    }

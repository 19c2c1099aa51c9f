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
from monitoring.store.current import store
from monitoring.wire.fragments import Fragment
from monitoring.wire.shapes import GuestShape, NodeShape, StorageShape
from pulse.lib.auth import Access
from pulse.lib.endpoints import Operation, PreparedEndpoint, Query, Tag

Point = dict[str, float | int]
Series = dict[str, list[Point]]


RANGES = ("5m", "15m", "30m", "1h", "4h", "12h", "24h", "7d")


class ChartsView(PreparedEndpoint):
    """Points over time."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: Charts},
        query={"range": Query("How far back; anything else counts as the default.", RANGES, default="1h")},
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """Charts of all guests, nodes and storages

        No history is kept in this release: each series has one point, its value now, whatever the range.
        """
        body = charts_of(store().fragments().values(), at_ms=int(time.time()) * 1000)
        return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def charts_of(fragments: Iterable[Fragment], *, at_ms: int) -> dict[str, Any]:
    """Return the charts object; what is stale or not known now has no point. Times are in milliseconds."""
    data: dict[str, Series] = {}
    node_data: dict[str, Series] = {}
    storage_data: dict[str, Series] = {}
    for fragment in fragments:
        for name in ("vms", "containers"):
            for item in fragment.items.get(name, ()):
                data[item.id] = guest_series(msgspec.json.decode(item.body, type=GuestShape), at_ms)
        for item in fragment.items.get("nodes", ()):
            node_data[item.id] = node_series(msgspec.json.decode(item.body, type=NodeShape), at_ms)
        for item in fragment.items.get("storage", ()):
            storage_data[item.id] = storage_series(msgspec.json.decode(item.body, type=StorageShape), at_ms)
    return {
        "data": data,
        "nodeData": node_data,
        "storageData": storage_data,
        "timestamp": at_ms,
        "stats": {"oldestDataTimestamp": at_ms},
    }


def guest_series(view: GuestShape, at_ms: int) -> Series:
    """Return the seven series of a guest; percent, and bytes per second."""
    values: dict[str, float | None] = {
        "cpu": view.cpu * 100,
        "memory": view.memory.usage,
        "disk": None if view.diskReason else view.disk.usage,
        "diskread": rate(view.diskRead),
        "diskwrite": rate(view.diskWrite),
        "netin": rate(view.networkIn),
        "netout": rate(view.networkOut),
    }
    return points(values, at_ms, is_stale=view.stale)


def node_series(view: NodeShape, at_ms: int) -> Series:
    """Return the three series of a node, in percent."""
    values: dict[str, float | None] = {
        "cpu": view.cpu * 100,
        "memory": view.memory.usage,
        "disk": view.disk.usage,
    }
    return points(values, at_ms, is_stale=view.stale or view.status != "online")


def storage_series(view: StorageShape, at_ms: int) -> Series:
    """Return the one series of a storage, in percent."""
    return points({"disk": view.usage}, at_ms, is_stale=view.stale or not view.active)


def rate(value: int) -> float | None:
    """Return a rate, None while there is none."""
    return None if value < 0 else float(value)


def points(values: dict[str, float | None], at_ms: int, *, is_stale: bool) -> Series:
    """Return one point per known value."""
    return {
        name: [] if is_stale or value is None else [{"timestamp": at_ms, "value": round(value, 2)}]
        for name, value in values.items()
    }

"""Histories as the API tells them, made up: with gaps, spans between low and high, events, and what Proxmox's own records tell."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

RANGES = {"1h": 3600, "4h": 14_400, "12h": 43_200, "24h": 86_400, "7d": 604_800, "30d": 2_592_000, "90d": 7_776_000, "1y": 31_536_000, "2y": 63_072_000}  # fmt: skip
STEPS = (10, 60, 300, 3600, 21_600)
GIB = 1 << 30
GAP = range(40, 52)

#: Name: unit, the middle of it and how far it swings.
GUEST = {
    "cpu": ("percent", 30, 25),
    "memory": ("percent", 40, 2),
    "memoryUsed": ("bytes", 3.2 * GIB, 0.2 * GIB),
    "memoryTotal": ("bytes", 8 * GIB, 0),
    "hostMemory": ("bytes", 3.9 * GIB, 0.1 * GIB),
    "diskUsed": ("bytes", 21 * GIB, 0.5 * GIB),
    "diskTotal": ("bytes", 32 * GIB, 0),
    "netin": ("bytesPerSecond", 900_000, 800_000),
    "netout": ("bytesPerSecond", 300_000, 200_000),
    "diskread": ("bytesPerSecond", 20_000, 20_000),
    "diskwrite": ("bytesPerSecond", 4_000_000, 3_000_000),
    "pressureCpuSome": ("percent", 3, 3),
    "pressureIoSome": ("percent", 8, 6),
    "pressureMemorySome": ("percent", 0.4, 0.4),
}
NODE = {
    **GUEST,
    "ioWait": ("percent", 2, 2),
    "load1": ("processes", 2.5, 2),
    "load5": ("processes", 2.4, 1),
    "load15": ("processes", 2.4, 0.4),
    "arc": ("bytes", 1.5 * GIB, 0.2 * GIB),
    "swapUsed": ("bytes", 0.1 * GIB, 0),
}
USE = {
    "disk": ("percent", 60, 2),
    "diskUsed": ("bytes", 600 * GIB, 20 * GIB),
    "diskTotal": ("bytes", 800 * GIB, 0),
}


def event(kind: str, text: str, start: float, *, outcome: str = "ok", took: int = 60) -> dict[str, Any]:
    """One event, `start` in epoch seconds."""
    return {"kind": kind, "code": kind, "text": text, "outcome": outcome, "start": int(start * 1000), "end": int((start + took) * 1000)}  # fmt: skip


def history(
    metrics: dict[str, tuple[str, float, float]],
    *,
    end: int,
    seconds: int = 3600,
    points: int = 360,
    told_share: float = 0.0,
    events: list[dict[str, Any]] | None = None,
    is_empty: bool = False,
) -> dict[str, Any]:
    """Return an answer: waves, with a gap, and of the first `told_share` by Proxmox."""
    step = next((one for one in STEPS if seconds / one <= points), STEPS[-1])
    count = seconds // step
    start = (end // step) * step - count * step
    told = round(count * told_share)
    return {
        "id": "made up",
        "start": start * 1000,
        "step": step,
        "count": count,
        "resolution": step,
        "told": [[start * 1000, (start + told * step) * 1000]] if told else [],
        "series": {
            name: _series(unit, middle, swing, count, place, is_empty=is_empty)
            for place, (name, (unit, middle, swing)) in enumerate(metrics.items())
        },
        "events": events or [],
    }


def _series(
    unit: str, middle: float, swing: float, count: int, place: int, *, is_empty: bool
) -> dict[str, Any]:
    def at(index: int) -> float | None:
        if is_empty or index in GAP:
            return None
        wave = math.sin(index / 17 + place) * 0.6 + math.sin(index / 5 + place * 2) * 0.4
        return round(middle + swing * wave, 3)

    mean = [at(index) for index in range(count)]
    spread = 0.3 * swing
    return {
        "unit": unit,
        "mean": mean,
        "low": [None if one is None else max(0, one - spread) for one in mean],
        "high": [None if one is None else one + spread * 1.6 for one in mean],
    }


def backfill(**others: Any) -> dict[str, Any]:
    """Return the reading of Proxmox's own records of the lab, a third of which has been read."""
    times = {"created": "2026-01-01T12:00:00Z", "ended": None}
    counts = {"done": 7, "total": 21, "failed": 0}
    return {"id": 4, "instanceName": "homelab", "instanceId": "pve-0", "reason": "added", "state": "running", "message": "", **counts, **times, **others}  # fmt: skip


class MadeUp:
    """Answers the page's questions about histories; `asked` are their queries, one dict each."""

    def __init__(
        self,
        page: Page,
        metrics: dict[str, tuple[str, float, float]],
        *,
        end: int,
        known_ranges: tuple[str, ...] = tuple(RANGES),
        **others: Any,
    ) -> None:
        self.asked: list[dict[str, str]] = []
        self.backfills: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self._known_ranges = known_ranges
        self._others = others
        self.failure = 0
        self._metrics = metrics
        self._end = end
        page.route("**/api/resources/*/history?*", self._answer)
        page.route(
            "**/api/history/backfills", lambda route: route.fulfill(json={"backfills": self.backfills})
        )
        page.route("**/api/history/backfills/*/cancel", self._cancel)

    def _cancel(self, route: Route) -> None:
        self.cancelled.append(f"{route.request.method} {urlsplit(route.request.url).path}")
        self.backfills = [{**one, "state": "cancelled"} for one in self.backfills]
        route.fulfill(json={"success": True})

    def _answer(self, route: Route) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        self.asked.append(query)
        if self.failure:
            route.fulfill(status=self.failure, json={"error": "The history is being put in order."})
            return
        start, end = int(query.get("start", 0)), int(query.get("end", self._end))
        seconds = end - start if start else RANGES[query["range"]]
        is_empty = not start and query["range"] not in self._known_ranges
        answer = history(
            self._metrics,
            end=end,
            seconds=seconds,
            points=int(query["points"]),
            is_empty=is_empty,
            **self._others,
        )
        route.fulfill(status=200, content_type="application/json", body=json.dumps(answer))


class MadeUpCharts:
    """Answers the question about the last hour of all guests: half of them are busy, of every seventh nothing is known."""

    def __init__(self, page: Page, ids: list[str]) -> None:
        self.asked: list[dict[str, str]] = []
        self._ids = ids
        page.route("**/api/charts?*", self._answer)

    def _answer(self, route: Route) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        self.asked.append(query)
        count = int(query["points"])
        known = {name: place for place, name in enumerate(self._ids) if place % 7 != 6}
        data = {name: {"cpu": self._line(place, count)} for name, place in known.items()}
        answer = {
            "start": 0,
            "step": 3600 // count,
            "count": count,
            "resolution": 10,
            "data": data,
            "nodeData": {},
            "storageData": {},
        }
        route.fulfill(status=200, content_type="application/json", body=json.dumps(answer))

    @staticmethod
    def _line(place: int, count: int) -> list[float | None]:
        middle = 60 if place % 2 else 8
        wave = [round(middle + middle * 0.4 * math.sin(index / 3 + place), 2) for index in range(count)]
        return [None if index in (9, 10) else one for index, one in enumerate(wave)]

"""What asking costs a host: calls, bytes and time of each lane by the minute, for the last hour."""

from __future__ import annotations

import threading

import msgspec

KEPT_MINUTES = 60


class Minute(msgspec.Struct, gc=False):
    """The calls of one lane in one minute; `minute` is epoch seconds divided by 60."""

    minute: int
    calls: int = 0
    bytes: int = 0  # as they travelled
    seconds: float = 0.0  # spent waiting
    refused: int = 0  # 4xx
    broken: int = 0  # 5xx
    unanswered: int = 0


#: Lane to its minutes, the oldest first.
Costs = dict[str, list[Minute]]


class LaneCost(msgspec.Struct, frozen=True):
    """What one kind of calls has cost over a span."""

    calls: int = 0
    calls_per_minute: float = 0.0
    bytes: int = 0
    seconds: float = 0.0
    refused: int = 0
    broken: int = 0
    unanswered: int = 0


class LaneLedger:
    """Writes the calls of one lane into an account; see nodes.proxmox.metering.Ledger."""

    def __init__(self, costs: Costs, lane: str, *, at_epoch: float) -> None:
        self.calls = 0
        self._lock = threading.Lock()
        self._minute = minute_of(costs, lane, at_epoch=at_epoch)

    def record(self, *, seconds: float, bytes_received: int, status: int | None, is_failure: bool) -> None:
        """Note one call."""
        minute = self._minute
        with self._lock:
            self.calls += 1
            minute.calls += 1
            minute.bytes += bytes_received
            minute.seconds += seconds
            minute.refused += status is not None and 400 <= status < 500
            minute.broken += status is not None and status >= 500
            minute.unanswered += status is None


def minute_of(costs: Costs, lane: str, *, at_epoch: float) -> Minute:
    """Return the account of a lane for the minute of an instant, made if need be; forgets those over an hour old."""
    now = int(at_epoch // 60)
    minutes = costs.get(lane, [])
    if not minutes or minutes[-1].minute != now:
        # Replaced, not changed: somebody may be adding them up in another thread.
        minutes = [minute for minute in minutes if now - KEPT_MINUTES < minute.minute < now] + [Minute(now)]
        costs[lane] = minutes
    return minutes[-1]


def own(costs: Costs) -> Costs:
    """Return a copy that a ledger may write on; of each lane only the last minute is ever written on, the others are shared."""
    return {
        lane: [*minutes[:-1], msgspec.structs.replace(minutes[-1])]
        for lane, minutes in list(costs.items())
        if minutes
    }


def summary(costs: Costs, *, at_epoch: float, minutes: int = 10) -> dict[str, LaneCost]:
    """Return what each lane has cost over the last whole minutes, the current one not counted; idle lanes are left out."""
    last = int(at_epoch // 60)
    summed: dict[str, LaneCost] = {}
    for lane, counted in list(costs.items()):
        span = [minute for minute in counted if last - minutes <= minute.minute < last]
        if span:
            calls = sum(minute.calls for minute in span)
            summed[lane] = LaneCost(
                calls=calls,
                calls_per_minute=round(calls / minutes, 2),
                bytes=sum(minute.bytes for minute in span),
                seconds=round(sum(minute.seconds for minute in span), 3),
                refused=sum(minute.refused for minute in span),
                broken=sum(minute.broken for minute in span),
                unanswered=sum(minute.unanswered for minute in span),
            )
    return summed

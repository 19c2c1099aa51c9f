"""The state object of state.md 2, put together from encoded fragments; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from operator import attrgetter
from typing import Any

import msgspec

import pulse
from monitoring.figures.staleness import AHEAD_SECONDS
from monitoring.wire.fragments import POLLED, Fragments, Item
from pulse.lib.instants import ZERO_TIME, from_epoch, rfc3339

#: Members of the document that a later release fills; the keys are always there.
EMPTY_LISTS = ("metrics", "activeAlerts", "recentlyResolved")
PVE_BACKUPS = ("backupTasks", "storageBackups", "guestSnapshots")
#: Our own, which stand there when there are any: the documented state has three lists.
MORE_BACKUPS = ("backupJobs",)


def document(joined: Callable[[str], bytes], top: dict[str, Any]) -> bytes:
    """Encode the state object with all its keys; `joined` returns the encoded items of a collection, `top` is the rest."""

    def array(collection: str) -> bytes:
        return b'"%s":[%s]' % (collection.encode(), joined(collection))

    members = [array(name) for name in (*POLLED, "pbsBackups")]
    more = [name for name in MORE_BACKUPS if joined(name)]
    members.append(b'"pveBackups":{%s}' % b",".join(array(name) for name in (*PVE_BACKUPS, *more)))
    rest = {key: [] for key in EMPTY_LISTS} | top
    return b"{" + b",".join(members) + b"," + msgspec.json.encode(rest)[1:]


def items_in(fragments: Fragments, collection: str) -> Sequence[Item]:
    """Return the items of one collection over all fragments, in the documented order."""
    return in_order(groups_in(fragments, collection))


def groups_in(fragments: Fragments, collection: str) -> list[tuple[Item, ...]]:
    """Return the items of one collection, those of each fragment that has any by themselves and in order."""
    return [items for fragment in fragments.values() if (items := fragment.items.get(collection))]


def in_order(groups: Sequence[tuple[Item, ...]]) -> Sequence[Item]:
    """Return the items of several fragments, each in order already, as one list in order."""
    if len(groups) == 1:
        return groups[0]
    return sorted((item for items in groups for item in items), key=attrgetter("order"))


def top_of(
    fragments: Fragments, *, clients: int, started_epoch: float, at_epoch: float | None = None
) -> dict[str, Any]:
    """Return the members of the state that are not resources (state.md 2.8).

    What was polled later than now (`at_epoch`) was so before the clock was set back: it says nothing of when the state
    has changed last, unless nothing was polled since.
    """
    polled = [fragment for key, fragment in fragments.items() if key.part == "resources"]
    latest_epoch = inf if at_epoch is None else at_epoch + AHEAD_SECONDS
    timely = [fragment for fragment in polled if fragment.polled_epoch <= latest_epoch] or polled
    newest_epoch = max((fragment.polled_epoch for fragment in timely), default=0.0)
    changed_epoch = max(
        (fragment.polled_epoch + fragment.poll_seconds for fragment in timely), default=started_epoch
    )
    slowest_seconds = max((fragment.poll_seconds for fragment in polled), default=0.0)
    return {
        "performance": {
            "apiCallDuration": {fragment.health_key: round(fragment.poll_seconds, 4) for fragment in polled},
            "lastPollDuration": round(slowest_seconds, 4),
            "pollingStartTime": rfc3339(from_epoch(newest_epoch)) if newest_epoch else ZERO_TIME,
            "totalApiCalls": sum(fragment.calls for fragment in polled),
            "failedApiCalls": sum(fragment.failed_calls for fragment in polled),
        },
        "connectionHealth": {fragment.health_key: fragment.is_healthy for fragment in polled},
        "stats": {
            "startTime": rfc3339(from_epoch(started_epoch)),
            "uptime": max(0, int(changed_epoch - started_epoch)),
            "pollingCycles": max((fragment.cycles for fragment in polled), default=0),
            "webSocketClients": clients,
            "version": f"v{pulse.__version__}",
        },
        "lastUpdate": rfc3339(from_epoch(changed_epoch)),
    }

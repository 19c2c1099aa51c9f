"""What has changed between two looks at an instance: places, sizes, names, power, releases; pure.

What is not known on one side is no change, and neither is a state of which one side could not be looked at. Facts that stay, such
as the place and the name of a guest, are compared with what was last known, so that what happened in a blind time is told after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from monitoring.concerns.shapes import INSTANCE, About
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import ServerFigures

#: More of one kind at one look are told as one of the instance: an account that lost its right sees all guests go.
MOST_ALIKE = 200
#: The size of a storage is news when it differs by more.
TOTAL_RATIO = 0.01
#: What a guest that changes between these is said to have done.
POWER = {
    ("stopped", "running"): "started",
    ("running", "stopped"): "stopped",
    ("running", "paused"): "paused",
    ("paused", "running"): "resumed",
    ("paused", "stopped"): "stopped",
}
#: What is said of many at once.
MANY = {
    "created": "new in the list",
    "removed": "no longer in the list",
    "moved": "on another node",
    "started": "started",
    "stopped": "stopped",
}


class Change(NamedTuple):
    """One change; it happened between the two instants. `text` is a part of a sentence, of clean and bounded words."""

    about: About
    code: str
    text: str
    since_epoch: float
    until_epoch: float


def changes_between(before: Figures, after: Figures, *, at_epoch: float) -> list[Change]:
    """Return what has changed until now, the same of many objects in one; both figures are in order.

    Of an instance that was not seen before nothing is known to have changed.
    """
    found: list[Change] = []
    if before.nodes and after.nodes:
        found += guest_changes(before.guests, after.guests, before.nodes, at_epoch=at_epoch)
        found += node_changes(before, after, at_epoch=at_epoch)
        found += storage_changes(before, after, at_epoch=at_epoch)
    if before.server is not None and after.server is not None:
        found += server_changes(before.server, after.server, at_epoch=at_epoch)
    return list(summed_up(found))


def summed_up(changes: Iterable[Change]) -> Iterator[Change]:
    """Yield the changes; more than `MOST_ALIKE` of one kind as one of the instance."""
    by_code: defaultdict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_code[change.code].append(change)
    for code, alike in by_code.items():
        if len(alike) <= MOST_ALIKE:
            yield from alike
        else:
            since, until = min(one.since_epoch for one in alike), alike[0].until_epoch
            yield Change(INSTANCE, code, f"{len(alike):,} objects: {MANY.get(code, code)}", since, until)


# --- guests -----------------------------------------------------------------------------------------------------------


def guest_changes(
    before: Sequence[GuestFigures],
    after: Sequence[GuestFigures],
    nodes: Sequence[NodeFigures],
    *,
    at_epoch: float,
) -> Iterator[Change]:
    """Yield what has changed of the guests."""
    since = max((node.seen_epoch or 0.0 for node in nodes), default=0.0) or at_epoch
    pairs = differing(before, after)
    if pairs is None:
        known, now = ({guest.vmid: guest for guest in guests} for guests in (before, after))
        for vmid in sorted(now.keys() - known.keys()):
            if not now[vmid].is_stale:
                yield Change(about(now[vmid]), "created", said_of(now[vmid]), since, at_epoch)
        for vmid in sorted(known.keys() - now.keys()):
            yield Change(about(known[vmid]), "removed", said_of(known[vmid]), since, at_epoch)
        pairs = [(known[vmid], guest) for vmid, guest in now.items() if vmid in known]
    for old, new in pairs:
        yield from changes_of_guest(old, new, at_epoch=at_epoch)


def differing(
    before: Sequence[GuestFigures], after: Sequence[GuestFigures]
) -> list[tuple[GuestFigures, GuestFigures]] | None:
    """Return the guests that are not as they were, None when there are others than before.

    At nearly every poll there is none of ten thousand: one loop over both, 2 ms.
    """
    if len(before) != len(after):
        return None
    pairs = [
        (old, new)
        for old, new in zip(before, after, strict=True)
        if old.vmid != new.vmid
        or old.status != new.status
        or old.node != new.node
        or old.name != new.name
        or old.cpu_count != new.cpu_count
        or old.memory.total_bytes != new.memory.total_bytes
        or old.tags != new.tags
    ]
    return None if any(old.vmid != new.vmid for old, new in pairs) else pairs


def changes_of_guest(old: GuestFigures, new: GuestFigures, *, at_epoch: float) -> Iterator[Change]:
    """Yield what has changed of one guest. The list tells where it is also while its node is silent, and no more than that."""
    subject, since = about(new), old.seen_epoch or at_epoch
    if old.node and new.node and old.node != new.node:
        by = ", by high availability" if new.ha_state or old.ha_state else ""
        yield Change(subject, "moved", f"from {old.node} to {new.node}{by}", since, at_epoch)
    if new.is_stale:
        return
    power = "" if old.is_stale else POWER.get((old.status, new.status), "")
    if power:
        yield Change(subject, power, "", since, at_epoch)
    if old.name and new.name and old.name != new.name:
        yield Change(subject, "name", f"from {old.name} to {new.name}", since, at_epoch)
    if old.tags != new.tags and (old.tags or not old.is_stale):
        text = f"from {words(old.tags)} to {words(new.tags)}"
        yield Change(subject, "tags", text, since, at_epoch)
    if old.cpu_count and new.cpu_count and old.cpu_count != new.cpu_count:
        text = f"from {old.cpu_count} to {new.cpu_count} CPUs"
        yield Change(subject, "cpus", text, since, at_epoch)
    was, now = old.memory.total_bytes, new.memory.total_bytes
    if was and now and was != now:
        yield Change(subject, "memory", between_sizes(was, now), since, at_epoch)


def about(guest: GuestFigures) -> About:
    """Return a guest as what something is about."""
    return About("guest", vmid=guest.vmid)


def said_of(guest: GuestFigures) -> str:
    """Return which guest on which node, in words."""
    return f"{guest.name or guest.kind} ({guest.vmid}) on {guest.node}"


def words(tags: Sequence[str]) -> str:
    """Return tags as a part of a sentence."""
    return ", ".join(tags) or "none"


# --- nodes, storages, servers -----------------------------------------------------------------------------------------


def node_changes(before: Figures, after: Figures, *, at_epoch: float) -> Iterator[Change]:
    """Yield what has changed of the nodes."""
    for new in after.nodes:
        old = before.node(new.name)
        if old is None or new.is_stale or new.status != "online":
            continue
        subject, since = About("node", new.name), old.seen_epoch or at_epoch
        yield from releases(
            subject, "version", short(old.pve_version), short(new.pve_version), since, at_epoch
        )
        yield from releases(subject, "kernel", old.kernel_version, new.kernel_version, since, at_epoch)
        yield from reboot(subject, old.uptime_seconds, new.uptime_seconds, old.seen_epoch, at_epoch)


def server_changes(old: ServerFigures, new: ServerFigures, *, at_epoch: float) -> Iterator[Change]:
    """Yield what has changed of a backup server and its datastores."""
    since = old.seen_epoch or at_epoch
    yield from releases(INSTANCE, "version", old.version or "", new.version or "", since, at_epoch)
    if old.host is not None and new.host is not None and not new.is_stale:
        kernels = old.host.kernel_version, new.host.kernel_version
        yield from releases(INSTANCE, "kernel", *kernels, since, at_epoch)
        uptimes = old.host.uptime_seconds, new.host.uptime_seconds
        yield from reboot(INSTANCE, *uptimes, old.host_epoch, at_epoch)
    known = {one.name: one for one in old.datastores}
    for store in new.datastores:
        if store.name in known and not store.is_stale:
            totals = known[store.name].total_bytes, store.total_bytes
            yield from another_size(About("datastore", store.name), *totals, since, at_epoch)


def storage_changes(before: Figures, after: Figures, *, at_epoch: float) -> Iterator[Change]:
    """Yield which storages have another size."""
    known = {(one.name, one.node): one for one in before.storages}
    for new in after.storages:
        old = known.get((new.name, new.node))
        if old is None or old.total_bytes == new.total_bytes or new.is_stale:
            continue
        subject, since = About("storage", new.name, new.node), old.seen_epoch or at_epoch
        yield from another_size(subject, old.total_bytes, new.total_bytes, since, at_epoch)


def another_size(
    subject: About, old: int | None, new: int | None, since: float, at_epoch: float
) -> Iterator[Change]:
    """Yield that a size differs by more than `TOTAL_RATIO`."""
    if old and new and abs(new - old) > TOTAL_RATIO * old:
        yield Change(subject, "size", between_sizes(old, new), since, at_epoch)


def releases(
    subject: About, code: str, old: str, new: str, since: float, at_epoch: float
) -> Iterator[Change]:
    """Yield that something has another release."""
    if old and new and old != new:
        yield Change(subject, code, f"from {old} to {new}", since, at_epoch)


def reboot(
    subject: About, old: int | None, new: int | None, seen_epoch: float | None, at_epoch: float
) -> Iterator[Change]:
    """Yield that a host has booted since it was last seen, by how long it runs; its figures are a few seconds late.

    `old` None: it was away meanwhile.
    """
    if new is None or seen_epoch is None or (old is not None and new >= old):
        return
    booted_epoch = at_epoch - new
    if booted_epoch > seen_epoch:
        yield Change(subject, "rebooted", "", booted_epoch, booted_epoch)
    elif old is not None:  # the clock was set, or the last figure was of the run before
        yield Change(subject, "rebooted", "", seen_epoch, at_epoch)


def short(version: str) -> str:
    """Return a release such as pve-manager/9.0.3/hash without what is the same in all."""
    return version.removeprefix("pve-manager/").partition("/")[0]


def between_sizes(old: int, new: int) -> str:
    """Return two sizes as a part of a sentence."""
    return f"from {size(old)} to {size(new)}"


def size(count: int) -> str:
    """Return bytes in the unit that suits them, with one decimal place."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} PiB"

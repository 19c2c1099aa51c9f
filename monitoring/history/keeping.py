"""The samples of a poll: into the memory of its instance, and from there to the database when a minute is over.

A minute at a time, because each row that is written costs a disk several pages, however little there is in it. A process that is
killed loses what it has not written yet, a minute at most; one that is told to end writes it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from monitoring.figures.instances import Figures
from monitoring.history import batches, blind, gathering, rows
from monitoring.history.gathering import Values
from monitoring.history.metrics import Kind
from monitoring.known.facts import Facts
from monitoring.known.freshness import current_guest, is_current
from monitoring.known.head import Instant, Shot
from monitoring.known.lanes import Lane
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.models import HistoryBatch
from monitoring.store.current import store
from nodes.identity import ObjectKind
from nodes.models import Instance
from pulse.lib import saving

logger = logging.getLogger(__name__)

#: Proxmox renews its figures every ten seconds: polls that come faster see the same ones again.
SPACING_SECONDS = 7.0
MINUTE = 60
DAY = 86_400
#: The kinds whose rows are made here.
PARTS = (Kind.POOL, Kind.FILESYSTEM, Kind.MAIL_NODE)
#: Samples that wait while nothing can be written, a quarter of an hour of them; then the oldest are given up.
MOST_WAITING = 90


def keep(instance: Instance, memory: PollMemory, facts: Facts, *, at: datetime) -> None:
    """Take a sample of the figures in the memory, and write the minutes that are over; raises DatabaseError."""
    epoch = at.timestamp()
    if 0 <= epoch - memory.sampled_epoch < SPACING_SECONDS:
        return
    costs = host_memory_of(memory, facts, at_epoch=epoch)
    instant = instant_of(instance, memory.figures, facts, costs, at=at)
    blind.note_gap(instance, memory, at_epoch=epoch)
    is_new_day = epoch // DAY != memory.sampled_epoch // DAY
    # Before anything is written: it waits here when nothing can be.
    memory.sampled_epoch = epoch
    if instant.shots:
        memory.head = (*memory.head, instant)[-MOST_WAITING:]
    write_due(instance, memory, at=at)
    blind.record(instance, memory)
    if is_new_day:
        rows.note_parts(
            instance, [pk for kind in PARTS if kind in instant.shots for pk in instant.shots[kind].pks], at=at
        )


def write_due(instance: Instance, memory: PollMemory, *, at: datetime) -> int:
    """Write the minutes that are over, also those of a host that has fallen silent; returns how many. Raises DatabaseError."""
    # Where others serve the charts, nobody but the database tells them of the minute that is not over.
    is_shared = bool(settings.PULSE_REDIS_URL)
    epoch = round(at.timestamp())
    return write_head(instance.pk, memory, before_epoch=epoch + 1 if is_shared else minute_of(epoch))


def minute_of(epoch: float) -> int:
    """Return the start of the minute that an instant is in."""
    return int(epoch) // MINUTE * MINUTE


def write_head(instance_id: int, memory: PollMemory, *, before_epoch: float) -> int:
    """Write the samples that were taken before, a row for each minute; returns how many rows."""
    done = [one for one in memory.head if one.epoch < before_epoch]
    by_minute: dict[int, list[Instant]] = {}
    for one in done:
        by_minute.setdefault(minute_of(one.epoch), []).append(one)
    for instants in by_minute.values():
        write(instance_id, sorted(instants, key=lambda one: one.epoch))
        memory.head = tuple(one for one in memory.head if one not in instants)
    return len(by_minute)


def write(instance_id: int, instants: list[Instant]) -> None:
    """Write one batch; the same once more replaces it."""
    batch = batches.pack(instants)
    HistoryBatch.objects.update_or_create(
        instance_id=instance_id,
        start_epoch=instants[0].epoch,
        source=0,
        defaults={"means": batch.means, "body": batch.body},
    )


def write_all(*, seconds: float) -> int:
    """Write what is not saved yet of any instance, because the process ends; returns how many rows.

    Begins nothing more after so many seconds.
    """
    until, written = time.monotonic() + seconds, 0
    for pk in Instance.objects.values_list("pk", flat=True):
        if time.monotonic() >= until or saving.is_refused():
            break
        written += write_left(pk)
    return written


def write_left(instance_id: int) -> int:
    """Write what is not saved yet of an instance that is polled no more; returns how many rows. Never raises for the database."""
    memory = store().load(MEMORY, of=instance_id)
    if memory is None or not memory.head:
        return 0
    try:
        return write_head(instance_id, memory, before_epoch=float("inf"))
    except DatabaseError as error:
        if not saving.is_told(error):
            logger.warning("the last samples could not be saved (%s)", type(error).__name__)
        return 0


# --- one sample -------------------------------------------------------------------------------------------------------


def instant_of(
    instance: Instance, figures: Figures, facts: Facts, host_memory: Mapping[int, int], *, at: datetime
) -> Instant:
    """Return everything that is known now of what has a row; `host_memory` as in `host_memory_of`."""
    known = rows.rows_of(
        instance,
        vmids=[one.vmid for one in figures.guests],
        nodes=[one.name for one in figures.nodes],
        storages=[one.key for one in figures.storages],
        datastores=[one.name for one in figures.server.datastores] if figures.server is not None else (),
        at_epoch=at.timestamp(),
    )
    few: dict[Kind, dict[int, Values]] = {
        Kind.NODE: {
            known.nodes[one.name]: gathering.node_values(one)
            for one in figures.nodes
            if one.name in known.nodes and not one.is_stale and one.status == "online"
        },
        Kind.STORAGE: {
            known.storages[one.key]: gathering.storage_values(one)
            for one in figures.storages
            if one.key in known.storages and gathering.is_seen(one)
        },
    }
    few |= server_rows(instance, figures, known, at=at)
    shots = gathering.whole_shots(few)
    guests = gathering.guests_shot(figures.guests, known.guests, host_memory)
    if guests.planes:
        shots[Kind.GUEST] = guests
    return Instant(round(at.timestamp()), shots | part_shots(instance, figures, facts, known, at=at))


def host_memory_of(memory: PollMemory, facts: Facts, *, at_epoch: float) -> dict[int, int]:
    """Return what each VM costs its node in bytes, by vmid: as the list tells it from PVE 9 on, else as it was told not long ago."""
    listed = memory.reading.guests if memory.reading is not None and memory.read_epoch == at_epoch else ()
    told = {one.vmid: one.host_memory_bytes for one in listed if one.host_memory_bytes is not None}
    return told or {
        vmid: cost
        for vmid, one in facts.guests.items()
        if one.detail is not None
        and (cost := one.detail.host_memory_bytes) is not None
        and current_guest(one, at_epoch=at_epoch).detail is not None
    }


def server_rows(
    instance: Instance, figures: Figures, known: rows.Rows, *, at: datetime
) -> dict[Kind, dict[int, Values]]:
    """Return what is known of a PBS or a mail gateway."""
    server, gateway = figures.server, figures.gateway
    found: dict[Kind, dict[int, Values]] = {}
    if server is not None and not server.is_stale:
        found[Kind.INSTANCE] = {instance.pk: gathering.server_values(server)}
        found[Kind.DATASTORE] = {
            known.datastores[name]: values
            for name, values in gathering.datastore_values(server).items()
            if name in known.datastores
        }
    if gateway is not None and not gateway.is_stale:
        found[Kind.INSTANCE] = {instance.pk: gathering.gateway_values(gateway.statistics)}
        nodes = gathering.mail_node_values(gateway)
        wanted = {(ObjectKind.MAIL_NODE.value, instance.pk, name): values for name, values in nodes.items()}
        found[Kind.MAIL_NODE] = with_keys(instance, known, wanted, at=at)
    return found


def with_keys(
    instance: Instance, known: rows.Rows, wanted: dict[rows.PartKey, Values], *, at: datetime
) -> dict[int, Values]:
    """Return the values of parts by their rows."""
    keys = rows.with_parts(instance, known, wanted, at=at)
    return {keys[part]: values for part, values in wanted.items() if part in keys}


#: What was made last of the facts of an instance: they move every few minutes, and are looked at every ten seconds.
_parts: dict[int, tuple[Any, Any, int, dict[int, Shot]]] = {}


def part_shots(
    instance: Instance, figures: Figures, facts: Facts, known: rows.Rows, *, at: datetime
) -> dict[int, Shot]:
    """Return the shots of ZFS pools and file systems of guests; the same again within a minute while nothing new was read."""
    epoch = at.timestamp()
    minute = minute_of(epoch)
    last = _parts.get(instance.pk)
    if last is not None and last[0] is facts.guests and last[1] is facts.nodes and last[2] == minute:
        return last[3]
    pools: dict[rows.PartKey, Values] = {}
    for name, pk in known.nodes.items():
        node = facts.nodes.get(name)
        if node is not None and is_current(
            Lane.ZFS_POOLS, node.zfs_pools_epoch, at_epoch=epoch, is_idle=True
        ):
            for pool in node.zfs_pools:
                pools[ObjectKind.POOL.value, pk, pool.name] = gathering.use(
                    pool.allocated_bytes, pool.size_bytes
                )
    systems: dict[rows.PartKey, Values] = {}
    for guest in figures.guests:
        told = facts.guests.get(guest.vmid)
        owner = known.guests.get(guest.vmid)
        if owner is None or told is None or told.disk is None or guest.is_stale:
            continue
        if is_current(Lane.AGENT_FILESYSTEMS, told.disk_epoch, at_epoch=epoch):
            for one in told.disk.filesystems:
                if one.counted:
                    key = (ObjectKind.FILESYSTEM.value, owner, one.mount_point)
                    systems[key] = gathering.use(one.used_bytes, one.total_bytes)
    shots = gathering.whole_shots(
        {
            Kind.POOL: with_keys(instance, known, pools, at=at),
            Kind.FILESYSTEM: with_keys(instance, known, systems, at=at),
        }
    )
    _parts[instance.pk] = (facts.guests, facts.nodes, minute, shots)
    return shots


def forget(instance_id: int) -> None:
    """Drop what this process remembers of a removed instance."""
    _parts.pop(instance_id, None)
    rows.forget(instance_id)


def forget_all() -> None:
    """Drop all that this process remembers."""
    _parts.clear()
    rows.forget_all()

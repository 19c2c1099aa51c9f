"""One cycle of one instance: read, keep what is known when reading fails, record, publish."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.conf import settings
from django.core.cache import cache

from monitoring import failing, fragments, lanes, outcomes, pbs, pve
from monitoring.fragments import Fragment
from monitoring.memory import PollMemory
from monitoring.resources import Views
from monitoring.store import store
from nodes import inventory
from nodes.choices import InstanceKind
from nodes.connecting import Connection, Member, connection_for, forget
from nodes.models import Instance
from nodes.proxmox.errors import LoginFailed, PermissionDenied, ProxmoxError
from pulse.lib.instants import from_epoch, rfc3339

logger = logging.getLogger(__name__)

#: A poll that has not ended by then belongs to a process that was killed.
LEASE_SECONDS = 60


def poll(instance_id: int, at: datetime) -> bool:
    """Read one instance and publish its fragment; False when it is being read already, or is no longer there.

    Never raises for what a host does. A poll that began before the instance was edited publishes nothing.
    """
    with lease(instance_id) as held:
        if not held:
            return False
        instance = Instance.objects.polled().prefetch_related("endpoints").filter(pk=instance_id).first()
        if instance is None:
            forget(instance_id)
            store().remove(instance_id)
            return False
        memory = store().load_memory(instance_id) or PollMemory()
        if memory.instance_version != instance.version:
            start_anew(memory, instance)
        cycle(instance, memory, at=at)
        return True


@contextmanager
def lease(instance_id: int) -> Iterator[bool]:
    """Hold the right to poll an instance; False when somebody else has it."""
    key = f"polling:{instance_id}"
    held = bool(cache.add(key, 1, timeout=LEASE_SECONDS))
    try:
        yield held
    finally:
        if held:
            cache.delete(key)


def start_anew(memory: PollMemory, instance: Instance) -> None:
    """Forget what an edit has made doubtful; counters stay, so that rates go on (state.md 3.1)."""
    memory.instance_version = instance.version
    memory.denied_until = {}
    memory.failures = memory.login_failures = 0
    memory.login_is_refused = False
    memory.cluster_at = memory.version_at = memory.datastores_at = 0.0
    memory.details_at = {}


def cycle(instance: Instance, memory: PollMemory, *, at: datetime) -> None:
    """Look once, publish what was seen, then the details of nodes when there are new ones."""
    started = time.monotonic()
    epoch = at.timestamp()
    memory.cycles += 1
    memory.first_polled_at = memory.first_polled_at or epoch
    before = counted(None)
    connection: Connection | None = None
    try:
        connection = connection_for(instance, members_of(instance))
        before = counted(connection)
        if instance.kind == InstanceKind.PVE:
            look_at_pve(instance, connection, memory, at=at, started=started)
        else:
            look_at_pbs(instance, connection, memory, at=at, started=started)
    except ProxmoxError as error:
        failed(instance, memory, error, at=at, started=started)
    except Exception as error:  # a flaw of ours in one instance must not stop the others
        logger.exception("%s: the poll broke off", instance.name)
        failed(instance, memory, failing.Broken(type(error).__name__), at=at, started=started)
    after = counted(connection)
    memory.calls += after[0] - before[0]
    memory.failed_calls += after[1] - before[1]
    store().save_memory(instance.pk, memory)


def counted(connection: Connection | None) -> tuple[int, int]:
    """Return calls and failed calls of a connection so far."""
    return (connection.meter.calls, connection.meter.failed_calls) if connection else (0, 0)


def members_of(instance: Instance) -> list[Member]:
    """Return the other addresses of an instance; read with it, so this runs no query."""
    if not instance.is_cluster:
        return []
    return [Member(one.node_name, one.address, one.fingerprint) for one in instance.endpoints.all()]


def look_at_pve(
    instance: Instance, connection: Connection, memory: PollMemory, *, at: datetime, started: float
) -> None:
    """Poll a PVE host or cluster."""
    epoch, interval = at.timestamp(), float(settings.POLLING_INTERVAL_SECONDS)
    resources = pve.look(instance, connection, memory, at=epoch, interval=interval)
    duplicate = outcomes.cluster_polled_by_another(instance, memory.cluster)
    if duplicate:
        raise failing.DuplicateCluster(duplicate)
    memory.storage_ids = inventory.storage_wire_ids(
        instance, resources.storages, known=memory.storage_ids, at=at
    )
    views = pve.views_of(instance, resources, memory, seen=seen_at(at), at=epoch, interval=interval)
    succeeded(instance, memory, views, at=at, started=started)
    if pve.read_details(connection, memory, resources.nodes, at=epoch, interval=interval):
        views = pve.with_details(memory.views, resources, memory)
        publish(instance, memory, views, at=at, started=started)
    outcomes.record_membership(instance, memory.cluster, at=at)
    inventory.apply(instance, resources, memory.details, at=at)


def look_at_pbs(
    instance: Instance, connection: Connection, memory: PollMemory, *, at: datetime, started: float
) -> None:
    """Poll a PBS."""
    status = pbs.look(instance, connection, memory, at=at.timestamp())
    succeeded(
        instance, memory, pbs.views_of(instance, status, memory, seen=seen_at(at)), at=at, started=started
    )
    inventory.apply_datastores(instance, memory.datastores, at=at)


def seen_at(at: datetime) -> str:
    """Return `lastSeen` of what this poll saw, in whole seconds."""
    return rfc3339(at.replace(microsecond=0))


def succeeded(instance: Instance, memory: PollMemory, views: Views, *, at: datetime, started: float) -> None:
    """Publish what was seen and note the success."""
    memory.succeeded_at = at.timestamp()
    memory.failures = memory.login_failures = 0
    memory.login_is_refused = False
    publish(instance, memory, views, at=at, started=started)
    outcomes.record_success(instance, memory, at=at)


def failed(
    instance: Instance, memory: PollMemory, error: ProxmoxError, *, at: datetime, started: float
) -> None:
    """Publish what was last known, marked as the contract says, and note the failure."""
    memory.failures += 1
    if isinstance(error, LoginFailed | PermissionDenied):
        memory.login_failures += 1
        memory.login_is_refused = memory.login_is_refused or memory.login_failures >= lanes.LOGIN_FAILURES
    else:
        memory.login_failures = 0
    views = failing.marked(instance, memory, error, at=at.timestamp())
    publish(instance, memory, views, at=at, started=started)
    outcomes.record_failure(instance, memory, error, at=at)


def publish(instance: Instance, memory: PollMemory, views: Views, *, at: datetime, started: float) -> None:
    """Replace the instance's fragment, unless the instance was edited or removed meanwhile."""
    if not Instance.objects.polled().filter(pk=instance.pk, version=instance.version).exists():
        return
    based_on = memory.fragment_version
    version = fragments.next_version(based_on, at.timestamp())
    fragment = Fragment(
        instance_id=instance.pk,
        version=version,
        kind=instance.kind,
        name=instance.name,
        health_key=instance.health_key,
        is_healthy=memory.failures == 0,
        items=fragments.items_of(views, number=instance.number),
        changes=fragments.changes_between(memory.views, views) if based_on else b"{}",
        based_on=based_on,
        polled_at=at.timestamp(),
        succeeded_at=memory.succeeded_at,
        poll_seconds=time.monotonic() - started,
        calls=memory.calls,
        failed_calls=memory.failed_calls,
        cycles=memory.cycles,
        interval_seconds=float(settings.POLLING_INTERVAL_SECONDS),
    )
    store().publish(fragment)
    memory.views, memory.fragment_version = views, version
    if not Instance.objects.filter(pk=instance.pk).exists():  # removed between the question and the answer
        store().remove(instance.pk)


def restore(at: datetime) -> int:
    """Publish the last known picture of every instance that has no fragment yet; returns of how many.

    After a restart people see what was there, marked as old, until the first poll has answered.
    """
    known = store().fragments()
    restored = 0
    for instance in Instance.objects.polled():
        if instance.pk in known:
            continue
        memory = store().load_memory(instance.pk) or PollMemory(instance_version=instance.version)
        if instance.last_success_at is not None:
            memory.succeeded_at = instance.last_success_at.timestamp()
        memory.storage_ids = inventory.known_storage_ids(instance)
        views = failing.last_known(instance)
        memory.failures = 0 if instance.state != "failing" else 1
        publish(instance, memory, views, at=from_epoch(at.timestamp()), started=time.monotonic())
        memory.failures = 0
        store().save_memory(instance.pk, memory)
        restored += 1
    return restored

"""One cycle of one instance: read, show, then settle what may wait; when reading fails, show what is known, marked."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError

from monitoring.collecting import lanes
from monitoring.collecting.calls import Calls
from monitoring.feed import state
from monitoring.known.costs import LaneLedger
from monitoring.known.facts import NOTHING_COLLECTED, Facts
from monitoring.known.memory import PollMemory
from monitoring.polling import outcomes, pbs, pmg, pve, pve_views, silent
from monitoring.store import saved
from monitoring.store.current import store
from monitoring.store.leases import lease
from monitoring.wire import fragments, reports
from monitoring.wire.fragments import Fragment
from monitoring.wire.renaming import renamed
from monitoring.wire.shapes import Shapes
from nodes import inventory
from nodes.choices import InstanceKind
from nodes.connecting import connection_for, forget
from nodes.models import Instance
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.metering import accounted
from nodes.proxmox.readings import ResourcesReading, StorageReading
from pulse.lib.instants import rfc3339

logger = logging.getLogger(__name__)

#: A poll that has not ended by then belongs to a process that was killed.
LEASE_SECONDS = 60


@dataclass(slots=True)
class Poll:
    """One poll under way. `started` is monotonic; `calls` is None until there is a connection.

    `facts` are what the slow lanes knew when it began.
    """

    instance: Instance
    memory: PollMemory
    at: datetime
    interval: float
    started: float
    calls: Calls | None = None
    facts: Facts = NOTHING_COLLECTED

    @property
    def epoch(self) -> float:
        """The instant of the poll in epoch seconds."""
        return self.at.timestamp()

    @property
    def seen(self) -> str:
        """`lastSeen` of what this poll sees, in whole seconds."""
        return rfc3339(self.at.replace(microsecond=0))


def poll(instance_id: int, at: datetime) -> bool:
    """Read one instance and publish its fragment; False when it is being read already, or is no longer there.

    Never raises for what a host does. A poll that began before the instance was edited publishes nothing.
    """
    with lease(f"polling:{instance_id}", LEASE_SECONDS) as held:
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
        try:
            cycle(begin(instance, memory, at))
        finally:
            store().save_memory(instance_id, memory)
        return True


def start_anew(memory: PollMemory, instance: Instance) -> None:
    """Forget what an edit has made doubtful; counters stay, so that rates go on (state.md 3.1)."""
    if memory.instance_name not in ("", instance.name):
        memory.views = renamed(memory.views, before=memory.instance_name, after=instance.name)
        memory.storage_ids = {}
        # Clients know the old names: the next fragment stands for itself.
        memory.fragment_version = 0
    memory.instance_version = instance.version
    memory.instance_name = instance.name
    memory.denied_until = {}
    memory.failures = memory.login_failures = 0
    memory.login_is_refused = False
    memory.duplicate_of = 0
    memory.cluster_at = memory.version_at = memory.datastores_at = memory.mail_nodes_at = 0.0
    memory.details_at = {}


def begin(instance: Instance, memory: PollMemory, at: datetime) -> Poll:
    """Return a poll that has asked for nothing yet."""
    memory.cycles += 1
    memory.first_polled_at = memory.first_polled_at or at.timestamp()
    interval = float(settings.POLLING_INTERVAL_SECONDS)
    known = saved.known_facts(instance) if instance.kind != InstanceKind.PMG else None
    return Poll(instance, memory, at, interval, started=time.monotonic(), facts=known or NOTHING_COLLECTED)


def cycle(this: Poll) -> None:
    """Look once and publish what was seen, or what is known when the look fails."""
    try:
        reading = look(this)
    except ProxmoxError as error:
        failed(this, error)
    except Exception as error:  # a flaw of ours in one instance must not stop the others
        if this.instance.failure_code != silent.Broken.code:
            logger.exception("%s: the poll broke off", this.instance.name)
        failed(this, silent.Broken(type(error).__name__))
    else:
        settle(this, reading)
    if this.calls is not None:
        this.memory.calls += this.calls.made
        this.memory.failed_calls += this.calls.failed


def look(this: Poll) -> ResourcesReading | None:
    """Read the instance and publish what was seen; returns the resources of a PVE."""
    refuse_known_duplicate(this)
    instance, memory = this.instance, this.memory
    connection = connection_for(instance)
    calls = this.calls = Calls(
        connection, memory, at=this.epoch, deadline_seconds=lanes.deadline_seconds(this.interval)
    )
    facts, judgement = this.facts, store().load_judgement()
    if instance.kind == InstanceKind.PBS:
        with accounted(LaneLedger(memory.costs, reports.LIVE, at=this.epoch)):
            pbs.look(instance, calls, memory, at=this.epoch)
        views = pbs.views_of(
            instance, memory, seen=this.seen, at=this.epoch, facts=facts, judgement=judgement
        )
        succeeded(this, views)
        return None
    if instance.kind == InstanceKind.PMG:
        with accounted(LaneLedger(memory.costs, reports.LIVE, at=this.epoch)):
            pmg.look(calls, memory, at=this.epoch)
        succeeded(this, pmg.views_of(instance, memory, seen=this.seen, at=this.epoch))
        return None
    with accounted(LaneLedger(memory.costs, reports.LIVE, at=this.epoch)):
        reading = pve_views.with_disabled_storages(pve.look(calls, memory, at=this.epoch), facts)
    refuse_duplicate(this)
    claim_storage_ids(this, reading.storages)
    views = pve_views.views_of(
        instance,
        reading,
        memory,
        seen=this.seen,
        at=this.epoch,
        interval=this.interval,
        facts=facts,
        coverage=judgement.coverage_of(instance.pk),
        judged_at=judgement.judged_at,
    )
    memory.reading, memory.read_at = reading, this.epoch
    succeeded(this, views)
    return reading


def refuse_known_duplicate(this: Poll) -> None:
    """Raise DuplicateCluster, without asking the host, while another instance is known to stand for its cluster."""
    memory = this.memory
    is_recent = this.epoch - memory.duplicate_seen_at < lanes.MEMBERSHIP_SECONDS
    if memory.duplicate_of and is_recent:
        if Instance.objects.polled().filter(pk=memory.duplicate_of).exists():
            raise silent.DuplicateCluster(memory.duplicate_name)
        memory.duplicate_of = 0


def refuse_duplicate(this: Poll) -> None:
    """Raise DuplicateCluster when an earlier instance stands for the cluster that was just read."""
    memory = this.memory
    other = outcomes.earlier_instance_of(this.instance, memory.cluster)
    memory.duplicate_of = other.pk if other is not None else 0
    if other is not None:
        memory.duplicate_name, memory.duplicate_seen_at = other.name, this.epoch
        raise silent.DuplicateCluster(other.name)


def claim_storage_ids(this: Poll, storages: tuple[StorageReading, ...]) -> None:
    """Make the wire ids of all storages known before they are shown."""
    memory = this.memory
    try:
        memory.storage_ids = inventory.claim_storage_ids(
            this.instance, storages, known=memory.storage_ids, written=memory.written, at=this.at
        )
    except DatabaseError as error:
        report(this, error)


def settle(this: Poll, reading: ResourcesReading | None) -> None:
    """Do what may wait until the figures are shown. What fails here is tried again by the next poll."""
    instance, memory = this.instance, this.memory
    try:
        if this.calls is not None:
            outcomes.pin_certificate(instance, this.calls.connection)
        outcomes.record_success(instance, memory, at=this.at)
        if instance.kind == InstanceKind.PBS:
            inventory.apply_datastores(instance, memory.datastores, written=memory.written, at=this.at)
        elif reading is not None:
            settle_pve(this, reading)
    except Exception as error:  # the figures are out: a full disk must not make hosts look sick
        report(this, error)
    else:
        memory.trouble = ""


def settle_pve(this: Poll, reading: ResourcesReading) -> None:
    """Read node details, and bring inventory and membership up to date."""
    instance, memory, calls = this.instance, this.memory, this.calls
    if calls is not None:
        absent = memory.absent_since
        online = [node.name for node in reading.nodes if node.name not in absent]
        with accounted(LaneLedger(memory.costs, reports.NODE, at=this.epoch)):
            is_first = pve.read_details(calls, memory, online, at=this.epoch, interval=this.interval)
        if is_first:
            views = pve_views.with_details(
                instance, reading, memory, seen=this.seen, at=this.epoch, facts=this.facts
            )
            publish(this, views)
    inventory.apply(
        instance,
        reading,
        memory.details,
        absent=memory.absent_since,
        written=memory.written,
        at=this.at,
    )
    outcomes.record_membership(instance, memory.cluster, at=this.at)


def report(this: Poll, error: Exception) -> None:
    """Log what went wrong beside the reading, once until it is gone or another."""
    trouble = type(error).__name__
    if this.memory.trouble != trouble:
        logger.exception("%s: what was read could not be kept", this.instance.name)
    this.memory.trouble = trouble


def succeeded(this: Poll, views: Shapes) -> None:
    """Publish what was seen."""
    memory = this.memory
    memory.succeeded_at = this.epoch
    memory.failures = memory.login_failures = 0
    memory.login_is_refused = False
    publish(this, views)


def failed(this: Poll, error: ProxmoxError) -> None:
    """Publish what was last known, marked as the contract says, and note the failure."""
    memory = this.memory
    memory.failures += 1
    if outcomes.is_refusal(error):
        memory.login_failures += 1
        memory.login_is_refused = memory.login_is_refused or memory.login_failures >= lanes.LOGIN_FAILURES
    else:
        memory.login_failures = 0
    views = silent.marked(this.instance, memory, error, at=this.epoch)
    publish(this, silent.wanted(this.instance, views))
    outcomes.record_failure(this.instance, memory, error, at=this.at)


def publish(this: Poll, views: Shapes) -> None:
    """Replace the instance's fragment, unless the instance was edited, paused or removed meanwhile."""
    instance, memory = this.instance, this.memory
    if not Instance.objects.polled().filter(pk=instance.pk, version=instance.version).exists():
        return
    # A tenth of a poll: not spent while nobody listens. Elsewhere, with Redis, there may be somebody who does.
    is_heard = bool(settings.PULSE_REDIS_URL) or state.clients > 0
    based_on = memory.fragment_version if is_heard else 0
    version = fragments.next_version(memory.fragment_version, this.epoch)
    made, failures = (this.calls.made, this.calls.failed) if this.calls is not None else (0, 0)
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
        polled_at=this.epoch,
        succeeded_at=memory.succeeded_at,
        poll_seconds=time.monotonic() - this.started,
        calls=memory.calls + made + this.facts.calls,
        failed_calls=memory.failed_calls + failures + this.facts.failed_calls,
        cycles=memory.cycles,
        interval_seconds=this.interval,
    )
    store().publish(fragment)
    memory.views, memory.fragment_version = views, version
    # Removed or paused between the question and the answer: whoever did it has taken out the fragment before this one.
    if not Instance.objects.polled().filter(pk=instance.pk).exists():
        store().remove(instance.pk)


def drop_removed() -> int:
    """Take the instances that were paused or removed elsewhere out of the state; returns how many."""
    shown = {abs(key) for key in store().fragments()}
    gone = (
        shown - set(Instance.objects.polled().filter(pk__in=shown).values_list("pk", flat=True))
        if shown
        else set()
    )
    for pk in gone:
        forget(pk)
        store().remove(pk)
    return len(gone)

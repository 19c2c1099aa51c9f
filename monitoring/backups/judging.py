"""Bring together what was collected of all instances and judge it: whose each backup is, which guests are safe.

One look over everything, again when something has changed and now and then because time goes on. It asks no host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from urllib.parse import urlsplit
from zlib import crc32
from zoneinfo import ZoneInfo

import msgspec

from monitoring.backups import attribution, coverage
from monitoring.backups.attribution import Attribution, BackupServer, Estate, Group, KnownGuest
from monitoring.backups.calendar import NotASchedule, missed_run, parse
from monitoring.backups.coverage import Backup, Coverage, GuestRun, Plan, Seen
from monitoring.backups.judgement import GroupKey, Judgement, group_key
from monitoring.backups.results import outcome
from monitoring.backups.views import backup_tasks
from monitoring.collectors import rights
from monitoring.facts import LAYOUT, Facts
from monitoring.memory import PollMemory
from monitoring.models import CollectedFacts
from monitoring.resources import BackupJobView
from monitoring.store import store
from nodes.choices import InstanceKind
from nodes.models import Guest, Instance
from nodes.proxmox.errors import PermissionDenied
from nodes.proxmox.readings import (
    BackupJobReading,
    GuestReading,
    ServerJobReading,
    StorageConfigReading,
    TaskReading,
)
from nodes.proxmox.tasks import read_upid
from pulse.lib.instants import instant

#: Nothing has changed: judged again after this long, because backups grow old.
AGING_SECONDS = 300.0
#: How late a job may begin before its run counts as missed.
LATENESS = timedelta(hours=1)
#: A place that was not read for this long says nothing about the backups made since.
STALE_SECONDS = 3 * 3600.0
#: A run begins so much before its time at most: clocks differ.
EARLINESS_SECONDS = 120


@dataclass(slots=True)
class Known:
    """One instance and what is known of it; of a paused one it is evidence only, and nothing is judged."""

    instance: Instance
    facts: Facts
    memory: PollMemory
    guests: Sequence[GuestReading] = ()  # of a PVE
    seen: dict[int, list[Backup]] = field(default_factory=dict)  # PVE: backups by vmid

    @property
    def name(self) -> str:
        """The name of the instance."""
        return self.instance.name

    @property
    def mark(self) -> int:
        """A number that differs whenever what is judged of the instance may differ."""
        guests = [(one.vmid, one.kind, one.node, one.name, one.pool, one.is_template) for one in self.guests]
        made_of = (self.facts.version, self.name, self.instance.host, self.instance.fingerprint, guests)
        return crc32(msgspec.msgpack.encode(made_of))


def judge_if_due(at: datetime) -> bool:
    """Judge when something has changed or backups have aged; returns whether it did."""
    last = store().load_judgement()
    known = [one for instance in Instance.objects.all() if (one := known_of(instance)) is not None]
    marks = {one.instance.pk: one.mark for one in known}
    if marks == last.facts and 0 <= at.timestamp() - last.judged_at < AGING_SECONDS:
        return False
    store().save_judgement(judge(known, marks, version=last.version + 1, at=at))
    return True


def known_of(instance: Instance) -> Known | None:
    """Return what is known of an instance, None of one that another instance stands for, or that is a paused PBS.

    A paused PVE still owns its backups: without it they would be taken for those of a cluster with the same numbers.
    """
    if instance.is_paused:
        if instance.kind != InstanceKind.PVE:
            return None
        row = CollectedFacts.objects.filter(instance=instance, layout=LAYOUT).first()
        facts = saved(row.instance_id, row.saved_at, row) if row is not None else None
        return Known(instance, facts or Facts(), PollMemory(), recorded_guests(instance))
    memory = store().load_memory(instance.pk) or PollMemory()
    if memory.duplicate_of:
        return None
    facts = store().load_facts(instance.pk)
    guests = memory.reading.guests if memory.reading is not None else recorded_guests(instance)
    return Known(instance, facts or Facts(), memory, guests)


_saved: dict[int, tuple[datetime, Facts | None]] = {}


def saved(pk: int, at: datetime, row: CollectedFacts) -> Facts | None:
    """Return the facts of a row; those of the same instant are opened once."""
    known = _saved.get(pk)
    if known is None or known[0] != at:
        known = _saved[pk] = (at, row.facts())
    return known[1]


def recorded_guests(instance: Instance) -> tuple[GuestReading, ...]:
    """Return the guests of a PVE as they were recorded last, for one that was not read since the start."""
    if instance.kind != InstanceKind.PVE:
        return ()
    return tuple(
        GuestReading(one.vmid, one.kind, one.node_name, "unknown", name=one.name)
        for one in Guest.objects.filter(instance=instance, gone_at=None).order_by("vmid")
    )


def judge(known: Sequence[Known], versions: dict[int, int], *, version: int, at: datetime) -> Judgement:
    """Return the judgement over these instances."""
    every_host = [one for one in known if one.instance.kind == InstanceKind.PVE]
    hosts = [one for one in every_host if not one.instance.is_paused]
    servers = [one for one in known if one.instance.kind == InstanceKind.PBS]
    evidence = estate_of(every_host, servers)
    by_name = {one.name: one for one in every_host}
    owned = {server.instance.pk: attributions_of(server, evidence) for server in servers}
    for server in servers:
        note_snapshots(server, owned[server.instance.pk], by_name)
    for host in hosts:
        note_volumes(host, evidence, by_name)
    missed = {one.instance.pk: missed_jobs(one, at=at) for one in (*hosts, *servers)}
    return Judgement(
        version=version,
        judged_at=at.timestamp(),
        facts=versions,
        attributions=owned,
        coverages={host.instance.pk: coverages_of(host, servers, evidence, at=at) for host in hosts},
        server_backup_jobs={
            server.instance.pk: tuple(jobs_into(server, hosts, evidence, missed, at=at)) for server in servers
        },
        missed=missed,
    )


# --- whose a backup is -------------------------------------------------------------------------------------------


def estate_of(hosts: Sequence[Known], servers: Sequence[Known]) -> Estate:
    """Return everything that speaks for or against an owner."""
    guests = (
        KnownGuest(host.name, guest.vmid, guest.kind, guest.name)
        for host in hosts
        for guest in host.guests
        if not guest.is_template
    )
    storages = [
        found
        for host in hosts
        for config in host.facts.storages
        if (found := attribution.pbs_storage(host.name, config)) is not None
    ]
    volumes = [
        attribution.volume_storage(host.name, config) for host in hosts for config in host.facts.storages
    ]
    known = [server_of(one.instance) for one in servers]
    return attribution.estate(guests, storages, known, volumes)


def server_of(instance: Instance) -> BackupServer:
    """Return under what a PBS is known: its configured host, and the certificate that it shows."""
    host = urlsplit(instance.host).hostname or ""
    return BackupServer(instance.name, (host,), instance.fingerprint)


def groups_of(server: Known) -> Iterator[Group]:
    """Yield the backup groups of a PBS, each with the comment of its newest backup where it has none itself."""
    for key, place in server.facts.places.items():
        datastore, _, namespace = key.partition("/")
        for group in place.groups:
            snapshots = place.snapshots.get(f"{group.kind}/{group.id}", ())
            comment = snapshots[0].comment if snapshots else ""
            yield attribution.group(server.name, datastore, namespace, group, comment=comment)


def attributions_of(server: Known, evidence: Estate) -> dict[GroupKey, Attribution]:
    """Return whose each group of a PBS is."""
    return {
        group_key(one.store, one.namespace, one.kind, one.id): attribution.attribute(one, evidence)
        for one in groups_of(server)
    }


def note_snapshots(server: Known, owned: Mapping[GroupKey, Attribution], hosts: Mapping[str, Known]) -> None:
    """Note the backups on a PBS at the guests whose they are."""
    for key, place in server.facts.places.items():
        datastore, _, namespace = key.partition("/")
        for name, snapshots in place.snapshots.items():
            whose = owned.get(f"{datastore}/{namespace}|{name}")
            host = hosts.get(whose.instance) if whose is not None else None
            if host is None or whose is None or whose.vmid is None:
                continue
            source = f"{server.name}/{datastore}"
            backups = host.seen.setdefault(whose.vmid, [])
            backups += [coverage.of_snapshot(source, snapshot) for snapshot in snapshots]


def note_volumes(host: Known, evidence: Estate, hosts: Mapping[str, Known]) -> None:
    """Note the backups in the storages of a PVE at the guests whose they are, of whatever cluster."""
    for key, volumes in host.facts.volumes.items():
        storage = key.rpartition("/")[0]
        for volume in volumes:
            whose = attribution.attribute_volume(host.name, storage, volume, evidence)
            owner = hosts.get(whose.instance)
            backup = coverage.of_volume(storage, volume)
            if owner is not None and whose.vmid is not None and backup is not None:
                owner.seen.setdefault(whose.vmid, []).append(backup)


# --- which guests are safe ---------------------------------------------------------------------------------------


def coverages_of(
    host: Known, servers: Sequence[Known], evidence: Estate, *, at: datetime
) -> dict[int, Coverage]:
    """Return the coverage of every guest of a PVE."""
    if not host.instance.monitor_backups:
        return {}
    read, unread = sources_of(host, servers, evidence, at=at)
    seen = Seen({vmid: tuple(backups) for vmid, backups in host.seen.items()}, frozenset(read), unread)
    runs = runs_of(host.facts)
    outdated = {vmid for vmid, run in runs.items() if is_outdated(run, host.seen.get(vmid, ()))}
    runs = {vmid: run for vmid, run in runs.items() if vmid not in outdated}
    return coverage.coverage(host.guests, plan_of(host, at=at), seen, runs)


def is_outdated(run: GuestRun, backups: Iterable[Backup]) -> bool:
    """Return whether a later run must have gone well: a backup tells so, where the logs of good jobs are not read."""
    return run.outcome != "ok" and any(not one.fault and one.at > run.started_at for one in backups)


def plan_of(host: Known, *, at: datetime) -> Plan:
    """Return the backup jobs of a PVE as they are to be judged."""
    facts = host.facts
    if not may_read_jobs(facts):
        return Plan(reason="no_permission")
    if not facts.jobs_at:
        return Plan(reason="not_read_yet")
    dues = {
        job.id: due
        for job in facts.jobs
        if job.is_enabled
        and (
            due := coverage.due_at(
                job, at=at, zone=zone_of(facts, job.node), first_seen_at=first_seen(facts, f"backup {job.id}")
            )
        )
        is not None
    }
    uncovered = frozenset(one.vmid for one in facts.uncovered) if facts.uncovered_at else None
    return Plan(facts.jobs, facts.job_volumes, uncovered, dues)


def may_read_jobs(facts: Facts) -> bool:
    """Return whether the account sees the jobs, as far as is known."""
    if facts.permissions is not None:
        return facts.permissions.has("/", "Sys.Audit")
    progress = facts.progress.get("backup jobs/")
    return progress is None or progress.code != PermissionDenied.code


def sources_of(
    host: Known, servers: Sequence[Known], evidence: Estate, *, at: datetime
) -> tuple[set[str], dict[str, str]]:
    """Return the storages for backups of a PVE that were read, and why the others were not."""
    read: set[str] = set()
    unread: dict[str, str] = {}
    by_name = {server.name: server for server in servers}
    for config in host.facts.storages:
        if config.is_disabled or "backup" not in config.content:
            continue
        reason = reason_unread(host, config, by_name, evidence, at=at)
        if reason:
            unread[config.name] = reason
        else:
            read.add(config.name)
    return read, unread


def reason_unread(
    host: Known,
    config: StorageConfigReading,
    servers: Mapping[str, Known],
    evidence: Estate,
    *,
    at: datetime,
) -> str:
    """Return why the backups in a storage may not all have been seen, "" when they have."""
    if config.plugin == "pbs":
        found = [
            place
            for place, definitions in evidence.definitions.items()
            if host.name in definitions and config.name in definitions[host.name].storages
        ]
        if found:
            return unread_at_server(*found[0], servers, at=at)
    held = host.facts.permissions
    if held is not None and not rights.sees_all_backups(held, config.name):
        return "server_not_monitored" if config.plugin == "pbs" else "no_permission"
    reads = [told for key, told in host.facts.volumes_at.items() if key.rpartition("/")[0] == config.name]
    if not reads:
        return "server_not_monitored" if config.plugin == "pbs" else "not_read_yet"
    return when_unread(min(reads), at=at)


def unread_at_server(
    server: str, datastore: str, namespace: str, servers: Mapping[str, Known], *, at: datetime
) -> str:
    """Return why the backups in a place of a PBS were not all seen there, "" when they were."""
    known = servers.get(server)
    if known is None or not known.instance.monitor_datastores:
        return "server_not_monitored"
    held = known.facts.permissions
    path = f"/datastore/{datastore}/{namespace}".rstrip("/")
    if held is not None and not held.has(path, "Datastore.Audit"):
        return "no_permission"
    place = known.facts.places.get(f"{datastore}/{namespace}")
    if place is None or not place.snapshots_at:
        return "not_read_yet"
    return when_unread(max(place.snapshots_at, place.groups_at), at=at)


def when_unread(read_at: float, *, at: datetime) -> str:
    """Return "" for what was read lately: backups may have been made since what was read long ago."""
    return "" if at.timestamp() - read_at <= STALE_SECONDS else "not_read_lately"


def runs_of(facts: Facts) -> dict[int, GuestRun]:
    """Return the newest try to back up each guest, also those that only the log of a job tells of."""
    tasks = list(backup_tasks(facts))
    runs = coverage.runs_of(tasks)
    started = {task.upid: task.started_at for task in tasks}
    for upid, results in facts.task_results.items():
        begun = started.get(upid)
        for result in results:
            if begun is None or result.is_ok is None:
                continue
            known = runs.get(result.vmid)
            if known is None or begun > known.started_at:
                runs[result.vmid] = GuestRun(
                    result.vmid, begun, "OK" if result.is_ok else result.error or "failed"
                )
    return runs


# --- jobs --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def zone_called(name: str) -> tzinfo | None:
    """Return a time zone by its name, None when this machine does not know it."""
    try:
        return ZoneInfo(name) if name else None
    except (OSError, ValueError):
        return None


def zone_of(facts: Facts, node: str = "") -> tzinfo | None:
    """Return the time zone in which the schedules of an instance are meant."""
    names = [facts.node(node).time_zone] if node else []
    names += [facts.host.time_zone, *(known.time_zone for known in facts.nodes.values())]
    return next((zone for name in names if (zone := zone_called(name)) is not None), None)


def first_seen(facts: Facts, job: str) -> datetime | None:
    """Return since when a job is known as it is, None when it was there before Pulse."""
    epoch = facts.jobs_seen.get(job)
    return datetime.fromtimestamp(epoch.seen_at, UTC) if epoch is not None and epoch.seen_at else None


def missed_jobs(known: Known, *, at: datetime) -> dict[str, int]:
    """Return the runs of an instance's jobs that should have been and were not, by "<kind> <id>"."""
    facts = known.facts
    found: dict[str, int] = {}
    if known.instance.kind == InstanceKind.PVE:
        tasks = list(backup_tasks(facts))
        for job in facts.jobs:
            missed = missed_backup(job, facts, tasks, at=at)
            if missed is not None:
                found[f"backup {job.id}"] = missed
    for kind, jobs in facts.server_jobs.items():
        for server_job in jobs:
            name = f"{kind} {server_job.id}"
            run = missed_server_run(server_job, facts, name, at=at)
            if run is not None:
                found[name] = int(run.timestamp())
    return found


def missed_backup(
    job: BackupJobReading, facts: Facts, tasks: Sequence[TaskReading], *, at: datetime
) -> int | None:
    """Return when a backup job should have begun and no task did, None when one did or nobody can tell."""
    looked = facts.progress.get("tasks/")
    if not job.is_enabled or not facts.backup_tasks or looked is None:
        return None
    due = last_due(job, facts, at=at, tolerance=LATENESS)
    if due is None or looked.done_at < due + LATENESS.total_seconds():
        return None  # nobody has looked since
    begun = [task for task in tasks if may_be_run(task, job)]
    reaches_back = any((task.started_at or due) < due for task in begun) or not any(
        facts.backup_tasks.values()
    )
    return due if reaches_back and not any(is_near(task, due) for task in begun) else None


def last_due(job: BackupJobReading, facts: Facts, *, at: datetime, tolerance: timedelta) -> int | None:
    """Return when a job should have begun last, None when it should not have yet or its schedule is not known."""
    return coverage.due_at(
        job,
        at=at,
        zone=zone_of(facts, job.node),
        first_seen_at=first_seen(facts, f"backup {job.id}"),
        tolerance=tolerance,
    )


def may_be_run(task: TaskReading, job: BackupJobReading) -> bool:
    """Return whether a task may be a run of a job, which it does not name.

    A job over one guest names that; one over several names none, and is one task on each node.
    """
    if task.started_at is None or (job.node and task.node != job.node):
        return False
    return not task.subject or task.subject in {str(vmid) for vmid in job.vmids}


def is_near(task: TaskReading, due: int) -> bool:
    """Return whether a task began at the time of a run."""
    return task.started_at is not None and (
        due - EARLINESS_SECONDS <= task.started_at <= due + LATENESS.total_seconds()
    )


def missed_server_run(job: ServerJobReading, facts: Facts, name: str, *, at: datetime) -> datetime | None:
    """Return when a job of a PBS should have run and did not."""
    if job.is_disabled or not job.schedule:
        return None
    try:
        schedule = parse(job.schedule)
    except NotASchedule:
        return None
    looked = facts.progress.get(f"jobs/{job.kind}")
    if looked is None or not looked.done_at:
        return None
    at = min(at, datetime.fromtimestamp(looked.done_at, UTC))  # nobody knows what has run since
    told = read_upid(job.last_run_upid) if job.last_run_upid else None
    started = told.started_at if told is not None else None
    ended = moment(job.last_run_ended_at)
    since = first_seen(facts, name) or moment(
        facts.jobs_seen[name].noted_at if name in facts.jobs_seen else None
    )
    return missed_run(
        schedule,
        at=at,
        zone=zone_of(facts),
        last_start_at=moment(started) or ended,
        first_seen_at=since or at,
        tolerance=LATENESS,
        last_end_at=ended,
        is_running=bool(job.last_run_upid) and not job.last_run_state,
        next_run_at=moment(job.next_run_at),
    )


def moment(epoch: float | None) -> datetime | None:
    """Return the instant of epoch seconds."""
    return datetime.fromtimestamp(epoch, UTC) if epoch and epoch < 253_402_300_799 else None


def jobs_into(
    server: Known,
    hosts: Iterable[Known],
    evidence: Estate,
    missed: Mapping[int, Mapping[str, int]],
    *,
    at: datetime,
) -> Iterator[BackupJobView]:
    """Yield the PVE jobs that write to a PBS, which itself knows none (state.md 2.5)."""
    for (name, datastore, _), definitions in evidence.definitions.items():
        if name != server.name:
            continue
        for host in hosts:
            definition = definitions.get(host.name)
            for job in host.facts.jobs if definition is not None else ():
                if definition is not None and job.storage in definition.storages:
                    missed_at = missed.get(host.instance.pk, {}).get(f"backup {job.id}")
                    yield backup_job_view(job, host, datastore, missed_at, at=at)


#: How the tasks of one run went together: the worst counts.
WORST_FIRST = ("failed", "running", "unknown", "warning", "ok")


def backup_job_view(
    job: BackupJobReading, host: Known, datastore: str, missed_at: int | None, *, at: datetime
) -> BackupJobView:
    """Return one backup job with its newest run: the tasks that began when it was due, one on each node."""
    due = last_due(job, host.facts, at=at, tolerance=timedelta(0))
    tasks = [task for task in backup_tasks(host.facts) if may_be_run(task, job)]
    if due is not None and not any(is_near(task, due) for task in tasks):
        # It may begin any moment, or was missed: then the run before is the newest.
        before = datetime.fromtimestamp(due - 1, UTC)
        due = last_due(job, host.facts, at=before, tolerance=timedelta(0))
    run = [task for task in tasks if due is not None and is_near(task, due)]
    told = {outcome(task.status, is_running=task.ended_at is None): task for task in run}
    status = next((one for one in WORST_FIRST if one in told), "unknown")
    ends = [task.ended_at for task in run if task.ended_at is not None]
    return BackupJobView(
        id=f"{host.name}-{job.id}",
        store=datastore,
        status=status,
        type="all" if job.covers_all else "pool" if job.pool else "guests",
        lastBackup=instant(max(ends, default=None)),
        nextRun=instant(job.next_run_at),
        vmid=",".join(str(vmid) for vmid in job.vmids),
        error=told["failed"].status if status == "failed" else "",
        instance=host.name,
        schedule=job.schedule,
        missedAt=instant(missed_at) if missed_at else "",
        disabled=not job.is_enabled,
    )

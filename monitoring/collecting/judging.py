"""Bring together what was collected of all instances and judge it: whose each backup is, which guests are safe.

One look over everything, again when something has changed and now and then because time goes on. It asks no host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from monitoring.backups import attribution, coverage
from monitoring.backups.attribution import Attribution, Estate, Group, KnownGuest
from monitoring.backups.coverage import Backup, Coverage, GuestRun, Plan, Seen
from monitoring.backups.jobs import first_seen, jobs_into, missed_jobs, zone_of
from monitoring.backups.judgement import JUDGEMENT, NOTHING_JUDGED, GroupKey, Judgement, group_key
from monitoring.backups.sources import pbs_storages, sources_of
from monitoring.collecting.evidence import Known, known_of, marks_of, server_of
from monitoring.known.facts import Facts
from monitoring.known.lanes import Lane
from monitoring.store.current import store
from monitoring.wire.backups import backup_tasks
from nodes.choices import InstanceKind
from nodes.models import Instance
from nodes.proxmox.errors import PermissionDenied

#: Nothing has changed: judged again after this long, because backups grow old.
AGING_SECONDS = 300.0


def judge_if_due(at: datetime) -> bool:
    """Judge when something has changed or backups have aged; returns whether it did."""
    last = store().load(JUDGEMENT) or NOTHING_JUDGED
    instances = list(Instance.objects.all())
    marks = marks_of(instances)
    if marks == last.facts and 0 <= at.timestamp() - last.judged_at < AGING_SECONDS:
        return False
    known = [one for instance in instances if (one := known_of(instance)) is not None]
    store().save(JUDGEMENT, judge(known, marks, version=last.version + 1, at=at))
    return True


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


def estate_of(hosts: Sequence[Known], servers: Sequence[Known]) -> Estate:
    """Return everything that speaks for or against an owner."""
    guests = (
        KnownGuest(host.name, guest.vmid, guest.kind, guest.name)
        for host in hosts
        for guest in host.guests
        if not guest.is_template
    )
    volumes = [
        attribution.volume_storage(host.name, config) for host in hosts for config in host.facts.storages
    ]
    known = [server_of(one.instance) for one in servers]
    return attribution.estate(guests, pbs_storages(hosts), known, volumes)


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
    return facts.progress_of(Lane.BACKUP_JOBS).code != PermissionDenied.code


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

"""What follows from everything that was collected of all instances: whose each backup is, which guests are safe; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from monitoring.backups import attribution, coverage
from monitoring.backups.attribution import Attribution, Estate, Group, KnownGuest
from monitoring.backups.collected import Collected
from monitoring.backups.coverage import Backup, Coverage, FoundBackups, Plan
from monitoring.backups.missed import last_due, missed_jobs
from monitoring.backups.pve_jobs import jobs_into
from monitoring.backups.storages import pbs_storages, sources_of
from monitoring.backups.tries import is_outdated, newest_runs
from monitoring.figures.servers import BackupJob
from monitoring.known.facts import Facts
from monitoring.known.kinds import Kind, Outline
from monitoring.known.lanes import Lane
from nodes.proxmox.errors import PermissionDenied

#: "<datastore>/<namespace>|<kind>/<id>", the kind and id as PBS has them.
GroupKey = str
#: The backups of each guest, by the name of its instance and its vmid.
BackupsByGuest = dict[str, dict[int, list[Backup]]]


def group_key(store: str, namespace: str, group: str) -> GroupKey:
    """Return what a backup group such as `vm/100` is kept under."""
    return f"{store}/{namespace}|{group}"


class Judgement(msgspec.Struct, frozen=True):
    """One judgement over the whole estate; replaced whole. Instances are keyed by their primary keys.

    `marks` tell, by instance, what it was made from. `missed` holds, by "<kind> <id>" of a job, the instant of
    the run that should have been and was not.
    """

    version: int = 0
    judged_epoch: float = 0.0
    marks: dict[int, int] = {}
    attributions: dict[int, dict[GroupKey, Attribution]] = {}
    coverages: dict[int, dict[int, Coverage]] = {}
    server_backup_jobs: dict[int, tuple[BackupJob, ...]] = {}
    missed: dict[int, dict[str, int]] = {}

    def coverage_of(self, instance: int) -> Mapping[int, Coverage]:
        """Return the coverage of a PVE instance's guests by vmid."""
        return self.coverages.get(instance, {})

    def attributions_of(self, instance: int) -> Mapping[GroupKey, Attribution]:
        """Return whose the backup groups of a PBS are."""
        return self.attributions.get(instance, {})

    def missed_by(self, instance: int) -> Mapping[str, int]:
        """Return the missed runs of an instance's jobs."""
        return self.missed.get(instance, {})


NOTHING_JUDGED = Judgement()
#: Kept once, for all instances.
JUDGEMENT = Kind("judgement", Judgement, Outline, in_parts=True)


def judge(
    every_host: Sequence[Collected],
    servers: Sequence[Collected],
    marks: dict[int, int],
    *,
    version: int,
    at: datetime,
) -> Judgement:
    """Return the judgement over these PVE, those that are paused among them, and these PBS."""
    hosts = [one for one in every_host if not one.is_paused]
    evidence = estate_of(every_host, servers)
    owned = {server.instance_id: attributions_of(server, evidence) for server in servers}
    found: BackupsByGuest = {}
    for server in servers:
        note_snapshots(found, server, owned[server.instance_id])
    for host in hosts:
        note_volumes(found, host, evidence)
    missed = {one.instance_id: missed_jobs(one.facts, at=at) for one in (*hosts, *servers)}
    return Judgement(
        version=version,
        judged_epoch=at.timestamp(),
        marks=marks,
        attributions=owned,
        coverages={host.instance_id: coverages_of(host, servers, evidence, found, at=at) for host in hosts},
        server_backup_jobs={
            server.instance_id: tuple(jobs_into(server, hosts, evidence, missed, at=at)) for server in servers
        },
        missed=missed,
    )


def estate_of(hosts: Sequence[Collected], servers: Sequence[Collected]) -> Estate:
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
    identities = [one.identity for one in servers]
    return attribution.estate(guests, pbs_storages(hosts), identities, volumes)


def groups_of(server: Collected) -> Iterator[Group]:
    """Yield the backup groups of a PBS, each with the comment of its newest backup where it has none itself."""
    for (datastore, namespace), place in server.facts.backups.items():
        for group in place.groups:
            snapshots = place.snapshots.get(f"{group.kind}/{group.id}", ())
            comment = snapshots[0].comment if snapshots else ""
            yield attribution.group(server.name, datastore, namespace, group, comment=comment)


def attributions_of(server: Collected, evidence: Estate) -> dict[GroupKey, Attribution]:
    """Return whose each group of a PBS is."""
    return {
        group_key(one.store, one.namespace, f"{one.kind}/{one.id}"): attribution.attribute(one, evidence)
        for one in groups_of(server)
    }


def note_snapshots(found: BackupsByGuest, server: Collected, owned: Mapping[GroupKey, Attribution]) -> None:
    """Note the backups on a PBS at the guests whose they are."""
    for (datastore, namespace), place in server.facts.backups.items():
        source = f"{server.name}/{datastore}"
        for group, snapshots in place.snapshots.items():
            whose = owned.get(group_key(datastore, namespace, group))
            if whose is not None and whose.vmid is not None:
                backups = found.setdefault(whose.instance, {}).setdefault(whose.vmid, [])
                backups += [coverage.of_snapshot(source, snapshot) for snapshot in snapshots]


def note_volumes(found: BackupsByGuest, host: Collected, evidence: Estate) -> None:
    """Note the backups in the storages of a PVE at the guests whose they are, of whatever cluster."""
    for (storage, _), volumes in host.facts.volumes.items():
        for volume in volumes:
            whose = attribution.attribute_volume(host.name, storage, volume, evidence)
            backup = coverage.of_volume(storage, volume)
            if whose.vmid is not None and backup is not None:
                found.setdefault(whose.instance, {}).setdefault(whose.vmid, []).append(backup)


def coverages_of(
    host: Collected, servers: Sequence[Collected], evidence: Estate, found: BackupsByGuest, *, at: datetime
) -> dict[int, Coverage]:
    """Return the coverage of every guest of a PVE."""
    if not host.monitors_backups:
        return {}
    read, unread = sources_of(host, servers, evidence, at=at)
    own = found.get(host.name, {})
    seen = FoundBackups(own, frozenset(read), unread)
    runs = newest_runs(host.facts)
    outdated = {vmid for vmid, run in runs.items() if is_outdated(run, own.get(vmid, ()))}
    runs = {vmid: run for vmid, run in runs.items() if vmid not in outdated}
    return coverage.coverage(host.guests, plan_of(host, at=at), seen, runs)


def plan_of(host: Collected, *, at: datetime) -> Plan:
    """Return the backup jobs of a PVE as they are to be judged."""
    facts = host.facts
    if not may_read_jobs(facts):
        return Plan(reason="no_permission")
    if not facts.jobs_epoch:
        return Plan(reason="not_read_yet")
    dues = {job.id: last_due(job, facts, at=at) for job in facts.jobs if job.is_enabled}
    due_epoch = {job: due for job, due in dues.items() if due is not None}
    uncovered = frozenset(one.vmid for one in facts.uncovered) if facts.uncovered_epoch else None
    return Plan(facts.jobs, facts.job_volumes, uncovered, due_epoch)


def may_read_jobs(facts: Facts) -> bool:
    """Return whether the account sees the jobs, as far as is known."""
    if facts.permissions is not None:
        return facts.permissions.has("/", "Sys.Audit")
    return facts.progress_of(Lane.BACKUP_JOBS).code != PermissionDenied.code

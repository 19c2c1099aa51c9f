"""What follows from everything that was collected of all instances: whose each backup is, which guests are safe; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import chain

import msgspec

from monitoring.backups import attribution, births, coverage
from monitoring.backups.ambiguous import ambiguous_at, ambiguous_on
from monitoring.backups.apart import Apart
from monitoring.backups.attribution import (
    Attribution,
    Estate,
    Group,
    KnownGuest,
    PbsStorage,
    VolumeStorage,
)
from monitoring.backups.collected import Collected
from monitoring.backups.coverage import NO_PERMISSION, NOT_READ_YET, Backup, Coverage, FoundBackups, Plan
from monitoring.backups.missed import host_now, last_due, latest_epoch, missed_jobs
from monitoring.backups.pve_jobs import jobs_into, jobs_of
from monitoring.backups.storages import pbs_storages, read_at_own, sources_of
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
    the run that should have been and was not. `failures` tell at which instances Pulse itself has failed: the kind of the
    error.
    """

    version: int = 0
    judged_epoch: float = 0.0
    marks: dict[int, int] = {}
    attributions: dict[int, dict[GroupKey, Attribution]] = {}
    coverages: dict[int, dict[int, Coverage]] = {}
    host_jobs: dict[int, tuple[BackupJob, ...]] = {}
    server_backup_jobs: dict[int, tuple[BackupJob, ...]] = {}
    missed: dict[int, dict[str, int]] = {}
    failures: dict[int, str] = {}

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
    every_server: Sequence[Collected],
    marks: dict[int, int],
    *,
    version: int,
    at: datetime,
    apart: Apart | None = None,
) -> Judgement:
    """Return the judgement over these PVE, those that are paused among them, and these PBS.

    Each is judged apart: one whose facts break a rule is told in `failures`, and nothing is judged of it.
    """
    apart = apart or Apart()
    evidence = estate_of(every_host, every_server, apart)
    owned: dict[int, dict[GroupKey, Attribution]] = {
        server.instance_id: apart.of(server, partial(attributions_of, server, evidence), {})
        for server in every_server
    }
    found: BackupsByGuest = {}
    for server in every_server:
        apart.of(server, partial(read_at_own, server, at=at), list[tuple[str, float]]())
        merge(found, apart.of(server, partial(snapshots_on, server, owned[server.instance_id]), {}))
    for host in every_host:
        if not host.is_paused:
            merge(found, apart.of(host, partial(volumes_at, host, evidence), {}))
    # Where Pulse has failed over a PBS, nothing was read there: its backups are not missing.
    servers = [
        replace(one, facts=Facts()) if one.instance_id in apart.failed else one for one in every_server
    ]
    hosts = [one for one in every_host if not one.is_paused and one.instance_id not in apart.failed]
    missed: dict[int, dict[str, int]] = {
        one.instance_id: apart.of(one, partial(missed_jobs, one.facts, one.guests_by_vmid, at=at), {})
        for one in (*hosts, *servers)
    }
    ambiguous: BackupsByGuest = {}
    for server in servers:
        merge(
            ambiguous,
            apart.of(server, partial(ambiguous_on, server, owned[server.instance_id], evidence), {}),
        )
    for host in hosts:
        merge(ambiguous, apart.of(host, partial(ambiguous_at, host, evidence), {}))
    coverages: dict[int, dict[int, Coverage]] = {
        host.instance_id: apart.of(
            host, partial(coverages_of, host, servers, evidence, found, ambiguous, owned, at=at), {}
        )
        for host in hosts
    }
    jobs: dict[int, tuple[BackupJob, ...]] = {
        host.instance_id: apart.of(host, partial(jobs_of, host, missed[host.instance_id], at=at), ())
        for host in hosts
    }
    every_job = list(chain.from_iterable(jobs.values()))
    return Judgement(
        version=version,
        judged_epoch=at.timestamp(),
        marks=marks,
        attributions=owned,
        coverages=coverages,
        host_jobs=jobs,
        server_backup_jobs={
            server.instance_id: tuple(jobs_into(server.name, every_job, evidence)) for server in servers
        },
        missed=missed,
        failures=apart.failed,
    )


def merge(found: BackupsByGuest, more: BackupsByGuest) -> None:
    """Add backups to those of the same guests."""
    for instance, guests in more.items():
        own = found.setdefault(instance, {})
        for vmid, backups in guests.items():
            own.setdefault(vmid, []).extend(backups)


def estate_of(hosts: Sequence[Collected], servers: Sequence[Collected], apart: Apart | None = None) -> Estate:
    """Return everything that speaks for or against an owner."""
    apart = apart or Apart()
    of_hosts = [apart.of(host, partial(evidence_from, host), Evidence(unseen=(host.name,))) for host in hosts]
    identities = [one.identity for one in servers if apart.of(one, partial(is_identity, one), False)]
    return attribution.estate(
        chain.from_iterable(one.guests for one in of_hosts),
        chain.from_iterable(one.storages for one in of_hosts),
        identities,
        chain.from_iterable(one.volumes for one in of_hosts),
        chain.from_iterable(one.unseen for one in of_hosts),
    )


class Evidence(msgspec.Struct, frozen=True):
    """What one PVE says about whose backups are whose; it is `unseen` itself where Pulse fails over it."""

    guests: tuple[KnownGuest, ...] = ()
    storages: tuple[PbsStorage, ...] = ()
    volumes: tuple[VolumeStorage, ...] = ()
    unseen: tuple[str, ...] = ()


def evidence_from(host: Collected) -> Evidence:
    """Return what one PVE says; it is indexed once by itself, so that nothing in it breaks the index of all."""
    evidence = Evidence(
        guests=tuple(
            KnownGuest(
                host.name, guest.vmid, guest.kind, guest.name, births.birth_of(host.facts.guest(guest.vmid))
            )
            for guest in host.guests
            if not guest.is_template
        ),
        storages=tuple(pbs_storages([host])),
        volumes=tuple(attribution.volume_storage(host.name, config) for config in host.facts.storages),
    )
    attribution.estate(evidence.guests, evidence.storages, (), evidence.volumes)
    return evidence


def is_identity(server: Collected) -> bool:
    """Return True for a PBS that can be told from others."""
    attribution.estate((), (), [server.identity])
    return True


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


def snapshots_on(server: Collected, owned: Mapping[GroupKey, Attribution]) -> BackupsByGuest:
    """Return the backups on a PBS, at the guests whose they are."""
    found: BackupsByGuest = {}
    for (datastore, namespace), place in server.facts.backups.items():
        source = f"{server.name}/{datastore}"
        for group, snapshots in place.snapshots.items():
            whose = owned.get(group_key(datastore, namespace, group))
            if whose is not None and whose.vmid is not None:
                backups = found.setdefault(whose.instance, {}).setdefault(whose.vmid, [])
                backups += [coverage.of_snapshot(source, snapshot) for snapshot in snapshots]
    return found


def volumes_at(host: Collected, evidence: Estate) -> BackupsByGuest:
    """Return the backups in the storages of a PVE, at the guests whose they are, of whatever cluster."""
    found: BackupsByGuest = {}
    for (storage, _), volumes in host.facts.volumes.items():
        for volume in volumes:
            whose = attribution.attribute_volume(host.name, storage, volume, evidence)
            backup = coverage.of_volume(storage, volume)
            if whose.vmid is not None and backup is not None:
                found.setdefault(whose.instance, {}).setdefault(whose.vmid, []).append(backup)
    return found


def coverages_of(
    host: Collected,
    servers: Sequence[Collected],
    evidence: Estate,
    found: BackupsByGuest,
    ambiguous: BackupsByGuest,
    owned: Mapping[int, Mapping[GroupKey, Attribution]],
    *,
    at: datetime,
) -> dict[int, Coverage]:
    """Return the coverage of every guest of a PVE."""
    if not host.monitors_backups:
        return {}
    read, unread = sources_of(host, servers, evidence, at=at)
    made = births.births_of(host)
    own = births.since_birth(found.get(host.name, {}), made)
    latest = latest_epoch(host.facts, at=at)
    seen = FoundBackups(
        own,
        frozenset(read),
        unread,
        latest,
        ambiguous=births.since_birth(ambiguous.get(host.name, {}), made),
        births=made,
        other_names=births.doubts_of(host, servers, owned, evidence, made),
    )
    runs = {
        vmid: run
        for vmid, run in newest_runs(host.facts, latest_epoch=latest).items()
        if not is_outdated(run, own.get(vmid, ()), latest_epoch=latest)
        and not attribution.is_before(run.started_epoch, made.get(vmid))
    }
    return coverage.coverage(host.guests, plan_of(host, at=at), seen, runs)


def plan_of(host: Collected, *, at: datetime) -> Plan:
    """Return the backup jobs of a PVE as they are to be judged."""
    facts = host.facts
    if not may_read_jobs(facts):
        return Plan(reason=NO_PERMISSION)
    if not facts.jobs_epoch:
        return Plan(reason=NOT_READ_YET)
    dues = {
        job.id: last_due(job, facts, at=host_now(facts, job.node, at=at))
        for job in facts.jobs
        if job.is_enabled
    }
    due_epoch = {job: due for job, due in dues.items() if due is not None}
    uncovered = frozenset(one.vmid for one in facts.uncovered) if facts.uncovered_epoch else None
    return Plan(facts.jobs, facts.job_volumes, uncovered, due_epoch)


def may_read_jobs(facts: Facts) -> bool:
    """Return whether the account sees the jobs, as far as is known."""
    if facts.permissions is not None:
        return facts.permissions.has("/", "Sys.Audit")
    return facts.progress_of(Lane.BACKUP_JOBS).code != PermissionDenied.code

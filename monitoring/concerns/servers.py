"""What is wrong with a backup server or a mail gateway; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitoring.backups.results import job_error, job_outcome
from monitoring.concerns.nodes import host_concerns
from monitoring.concerns.shapes import CRITICAL, DAY_SECONDS, WARNING, Concern, cut, days_left
from monitoring.figures.servers import NOT_MOUNTED
from monitoring.known.facts import Facts
from nodes.proxmox.readings.backup_server import ServerJobReading
from nodes.proxmox.readings.live import DatastoreReading
from nodes.proxmox.readings.mail import MailNodeReading

FULL_DAYS = 14
JOB_NAMES = {"sync": "Sync", "verify": "Verification", "prune": "Pruning", "garbage": "Garbage collection"}


def server_concerns(
    datastores: Iterable[DatastoreReading],
    jobs: Mapping[str, Iterable[ServerJobReading]],
    missed: Mapping[str, int],
    facts: Facts,
    *,
    datastores_epoch: float,
    at_epoch: float,
) -> Iterator[Concern]:
    """Yield what is wrong with a PBS; `jobs` are those that are to be monitored, `missed` as the judgement has it."""
    for store in datastores:
        yield from datastore(store, datastores_epoch, at_epoch=at_epoch)
    for kind, known in jobs.items():
        read_epoch = facts.server_jobs_epoch.get(kind, 0.0)
        for job in known:
            yield from failed_job(job, read_epoch)
            yield from missed_job(job, missed, read_epoch)
    yield from host_concerns(facts, at_epoch=at_epoch)


def datastore(one: DatastoreReading, read_epoch: float, *, at_epoch: float) -> Iterator[Concern]:
    """Yield what is wrong with a datastore; one in maintenance cannot be asked for more."""
    if one.maintenance:
        text = f"Datastore {one.name} is in maintenance: {one.maintenance}"
        yield Concern("datastore_maintenance", WARNING, one.name, text, read_epoch)
    elif one.error:
        text = f"Datastore {one.name} cannot be used: {cut(one.error)}"
        yield Concern("datastore_unavailable", CRITICAL, one.name, text, read_epoch)
    elif one.mount_status == NOT_MOUNTED:
        # Only a removable one can be: its drive may well lie in a safe.
        yield Concern(
            "datastore_not_mounted", WARNING, one.name, f"Datastore {one.name} is not mounted", read_epoch
        )
    if one.bad_chunk_count:
        what, them = (
            ("1 bad chunk", "it")
            if one.bad_chunk_count == 1
            else (f"{one.bad_chunk_count} bad chunks", "them")
        )
        text = f"Datastore {one.name} has {what}: backups that need {them} cannot be restored"
        yield Concern("bad_chunks", CRITICAL, one.name, text, read_epoch)
    if (
        one.estimated_full_epoch is not None
        and at_epoch < one.estimated_full_epoch < at_epoch + FULL_DAYS * DAY_SECONDS
    ):
        when = days_left(one.estimated_full_epoch, at_epoch)
        text = f"Datastore {one.name} will be full {when} if it grows on as in the last month"
        yield Concern("datastore_filling", WARNING, one.name, text, read_epoch)


def failed_job(job: ServerJobReading, read_epoch: float) -> Iterator[Concern]:
    """Yield a job whose last run failed; one that is switched off was seen by somebody."""
    if not job.is_disabled and job_outcome(job) == "failed":
        text = f"{job_name(job)} failed: {cut(job_error(job))}"
        yield Concern("job_failed", WARNING, f"{job.kind} {job.id}", text, read_epoch)


def missed_job(job: ServerJobReading, missed: Mapping[str, int], read_epoch: float) -> Iterator[Concern]:
    """Yield a job that should have run and did not."""
    if not job.is_disabled and missed.get(f"{job.kind} {job.id}"):
        text = f"{job_name(job)} was due and did not run"
        yield Concern("job_missed", WARNING, f"{job.kind} {job.id}", text, read_epoch)


def job_name(job: ServerJobReading) -> str:
    """Return what a job is called in a sentence: `Verification v-main of datastore main`."""
    name = JOB_NAMES.get(job.kind, job.kind)
    return (
        f"{name} of datastore {job.store}"
        if job.id == job.store
        else f"{name} {job.id} of datastore {job.store}"
    )


def gateway_concerns(nodes: Iterable[MailNodeReading], *, read_epoch: float) -> Iterator[Concern]:
    """Yield the nodes of a mail gateway that the others cannot reach, or whose rules differ from theirs."""
    for node in nodes:
        if node.error:
            text = f"Node {node.name} cannot be reached: {cut(node.error)}"
            yield Concern("mail_node_unreachable", WARNING, node.name, text, read_epoch)
        elif node.role and node.is_in_sync is False:
            text = f"Node {node.name} is not in sync with its cluster"
            yield Concern("mail_node_not_in_sync", WARNING, node.name, text, read_epoch)

"""One look at a PBS: one call each poll, its datastores and its version seldom."""

from __future__ import annotations

from monitoring.backups.judgement import NOTHING_JUDGED, Judgement
from monitoring.collecting import lanes
from monitoring.collecting.calls import Calls, quietly
from monitoring.concerns import pbs_concerns
from monitoring.known.datastores import known_datastores, states_now
from monitoring.known.facts import NOTHING_COLLECTED, Facts
from monitoring.known.memory import PollMemory
from monitoring.wire.jobs import ServerJobs
from monitoring.wire.server_jobs import namespace_views, server_jobs
from monitoring.wire.servers import datastore_view, pbs_view
from monitoring.wire.shapes import Shapes
from nodes.models import Instance
from nodes.proxmox import pbs
from nodes.proxmox.errors import LoginFailed, ProxmoxError
from nodes.proxmox.readings import ServerJobReading

STATUS_PATH = "/nodes/localhost/status"
USAGE_PATH = "/status/datastore-usage"


def look(instance: Instance, calls: Calls, memory: PollMemory, *, at: float) -> None:
    """Read what is due and remember it.

    The server's figures prove that it answers; where the account may not read them, or they alone fail, its version
    does, and at last its datastores. Raises the ProxmoxError of a server that does not answer.
    """
    answers = read_status(calls, memory, at)
    failure: ProxmoxError | None = None
    if not answers or lanes.is_due(memory.version_at, lanes.VERSION_SECONDS, at):
        try:
            read_version(calls, memory, at)
            answers = True
        except ProxmoxError as error:
            if not answers and is_final(error):
                raise
            failure = error
    is_due = lanes.is_due(memory.datastores_at, lanes.DATASTORE_SECONDS, at)
    if instance.monitor_datastores and (is_due or not answers):
        answers = read_datastores(calls, memory, at) or answers
    if failure is not None and not answers:
        raise failure
    calls.remember_refusals()


def is_final(error: ProxmoxError) -> bool:
    """Return whether another call to the same server can only fail in the same way."""
    return error.is_connection_level or isinstance(error, LoginFailed)


def read_status(calls: Calls, memory: PollMemory, at: float) -> bool:
    """Read the figures of the server; returns whether it told them."""
    try:
        status = calls.unless_refused(STATUS_PATH, lambda: calls.ask(pbs.node_status))
    except ProxmoxError as error:
        if is_final(error):
            raise
        return False
    memory.pbs_status = status
    if status is not None:
        memory.pbs_status_at = at
    return status is not None


def read_version(calls: Calls, memory: PollMemory, at: float) -> None:
    """Read the version, which any account may; it is not known when that fails."""
    memory.pbs_version = ""
    memory.pbs_version = calls.ask(pbs.version).version
    memory.version_at = at


def read_datastores(calls: Calls, memory: PollMemory, at: float) -> bool:
    """Read the use of all datastores in one call, and keep the last figures when that fails; returns whether it did not.

    An empty list where there were datastores is believed only when it comes often.
    """
    found = quietly(lambda: calls.unless_refused(USAGE_PATH, lambda: calls.ask(pbs.datastore_usage)))
    if found is None:
        return False
    is_sudden = bool(memory.datastores) and not found
    memory.empty_datastore_lists = memory.empty_datastore_lists + 1 if is_sudden else 0
    if not is_sudden or memory.empty_datastore_lists >= lanes.BELIEVED_EMPTY:
        memory.datastores, memory.datastores_at = found, at
    return True


def views_of(
    instance: Instance,
    memory: PollMemory,
    *,
    seen: str,
    at: float,
    facts: Facts = NOTHING_COLLECTED,
    judgement: Judgement = NOTHING_JUDGED,
) -> Shapes:
    """Return the PBS as it is now; figures that could not be renewed are shown for a while, marked."""
    is_current = memory.pbs_status_at == at
    status = memory.pbs_status if at - memory.pbs_status_at <= lanes.GRACE_SECONDS else None
    states = states_now(facts, at=at)
    datastores = known_datastores(memory.datastores, states) if instance.monitor_datastores else ()
    late = at - memory.datastores_at > lanes.GRACE_SECONDS
    told = {one.name for one in memory.datastores}
    jobs = wanted_jobs(instance, facts)
    missed = judgement.missed_by(instance.pk)
    view = pbs_view(
        name=instance.name,
        host=instance.host,
        version=memory.pbs_version,
        status=status,
        datastores=(
            datastore_view(
                reading,
                namespace_views(facts.namespaces.get(reading.name, ())),
                state=states.get(reading.name),
                is_stale=late and reading.name in told,
            )
            for reading in datastores
        ),
        jobs=jobs_of(instance, facts, judgement),
        seen=seen,
        is_stale=status is not None and not is_current,
    )
    concerns = pbs_concerns(
        instance=instance.name,
        datastores=datastores,
        datastores_at=memory.datastores_at,
        jobs=jobs,
        missed=missed,
        facts=facts,
        at=at,
    )
    return Shapes(pbs=(view,), concerns=concerns)


def jobs_of(instance: Instance, facts: Facts, judgement: Judgement) -> ServerJobs:
    """Return the jobs of the server and those of PVE that write to it."""
    missed = judgement.missed_by(instance.pk)
    return server_jobs(
        wanted_jobs(instance, facts),
        judgement.server_backup_jobs.get(instance.pk, ()),
        lambda job: missed.get(f"{job.kind} {job.id}"),
    )


def wanted_jobs(instance: Instance, facts: Facts) -> dict[str, tuple[ServerJobReading, ...]]:
    """Return the jobs of the kinds that are to be monitored."""
    wanted = {
        "sync": instance.monitor_sync_jobs,
        "verify": instance.monitor_verify_jobs,
        "prune": instance.monitor_prune_jobs,
        "garbage": instance.monitor_garbage_jobs,
    }
    return {kind: jobs for kind, jobs in facts.server_jobs.items() if wanted.get(kind)}

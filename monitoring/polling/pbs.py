"""A PBS: one call each poll, its datastores and its version seldom."""

from __future__ import annotations

from msgspec.structs import replace

from monitoring.backups.judgement import NOTHING_JUDGED, Judgement
from monitoring.collecting.calls import Calls, quietly
from monitoring.concerns.applying import pbs_concerns
from monitoring.figures.instances import Figures
from monitoring.figures.servers import (
    DatastoreFigures,
    ServerFigures,
    ServerJob,
    datastore_figures,
    paths_of,
)
from monitoring.figures.staleness import GRACE_SECONDS, is_recent
from monitoring.known.datastores import known_datastores, states_now
from monitoring.known.facts import NOTHING_COLLECTED, Facts
from monitoring.known.lanes import Lane
from monitoring.known.memory import PollMemory
from monitoring.known.wanted import wanted_jobs
from monitoring.polling import limits, silent
from monitoring.polling.cycle import Poll
from monitoring.polling.publishing import Picture
from nodes import inventory
from nodes.models import Datastore, Instance
from nodes.proxmox import pbs
from nodes.proxmox.errors import LoginFailed, ProxmoxError


class PbsPoll(Poll):
    """A poll of a PBS."""

    def read(self, calls: Calls) -> None:
        """Read what is due."""
        look(self.instance, calls, self.memory, at_epoch=self.epoch)

    def true_now(self, judgement: Judgement) -> Picture:
        """Return the server as it is now."""
        return picture_of(self.instance, self.memory, self.facts, judgement, at_epoch=self.epoch)

    def finish(self, calls: Calls) -> None:
        """Bring the inventory up to date."""
        memory = self.memory
        inventory.apply_datastores(self.instance, memory.datastores, written=memory.written, at=self.at)

    def last_known(self, error: ProxmoxError) -> Figures:
        """Return the server offline at once, with its last figures."""
        memory, health = self.memory, silent.health_after(error)
        last = memory.figures.server
        if last is None:
            return Figures(server=ServerFigures("offline", health, memory.succeeded_epoch))
        return Figures(server=replace(last, status="offline", health=health, is_stale=True))

    @staticmethod
    def restored(instance: Instance, facts: Facts, judgement: Judgement, *, at_epoch: float) -> Figures:
        """Return the server with the datastores of the inventory, and with its jobs."""
        stores = Datastore.there(instance).order_by("name")
        names = stores.values_list("name", flat=True) if instance.monitor_datastores else ()
        return Figures(
            server=ServerFigures(
                "unknown",
                silent.last_health(instance),
                silent.last_seen(instance),
                is_stale=True,
                datastores=tuple(known_datastore(name, facts) for name in names),
                jobs=jobs_of(instance, facts, judgement),
                backup_jobs=judgement.server_backup_jobs.get(instance.pk, ()),
            )
        )


def look(instance: Instance, calls: Calls, memory: PollMemory, *, at_epoch: float) -> None:
    """Read what is due and remember it.

    The server's figures prove that it answers; where the account may not read them, or they alone fail, its version
    does, and at last its datastores. Raises the ProxmoxError of a server that does not answer.
    """
    answers = read_status(calls, memory, at_epoch)
    failure: ProxmoxError | None = None
    if not answers or calls.is_due(Lane.SERVER_VERSION):
        try:
            read_version(calls, memory)
            answers = True
        except ProxmoxError as error:
            if not answers and is_final(error):
                raise
            failure = error
    if instance.monitor_datastores:
        answers = read_datastores(calls, memory, at_epoch, is_wanted=not answers) or answers
    if failure is not None and not answers:
        raise failure
    calls.remember_refusals()


def is_final(error: ProxmoxError) -> bool:
    """Return whether another call to the same server can only fail in the same way."""
    return error.is_connection_level or isinstance(error, LoginFailed)


def read_status(calls: Calls, memory: PollMemory, at_epoch: float) -> bool:
    """Read the figures of the server; returns whether it told them."""
    try:
        status = calls.when_due(Lane.SERVER_STATUS, lambda: calls.ask(pbs.node_status))
    except ProxmoxError as error:
        if is_final(error):
            raise
        return False
    memory.pbs_status = status
    if status is not None:
        memory.pbs_status_epoch = at_epoch
    return status is not None


def read_version(calls: Calls, memory: PollMemory) -> None:
    """Read the version, which any account may; it is not known when that fails."""
    memory.pbs_version = ""
    memory.pbs_version = calls.ask(pbs.version).version
    calls.done(Lane.SERVER_VERSION)


def read_datastores(calls: Calls, memory: PollMemory, at_epoch: float, *, is_wanted: bool) -> bool:
    """Read the use of all datastores in one call, and keep the last figures when that fails; returns whether it did not.

    An empty list where there were datastores is believed only when it comes often.
    """
    found = quietly(
        lambda: calls.when_due(
            Lane.DATASTORE_USE, lambda: calls.ask(pbs.datastore_usage), is_wanted=is_wanted
        )
    )
    if found is None:
        return False
    is_sudden = bool(memory.datastores) and not found
    memory.empty_datastore_lists = memory.empty_datastore_lists + 1 if is_sudden else 0
    if not is_sudden or memory.empty_datastore_lists >= limits.BELIEVED_EMPTY:
        memory.datastores, memory.datastores_epoch = found, at_epoch
    else:
        calls.again(Lane.DATASTORE_USE)
    return True


def picture_of(
    instance: Instance,
    memory: PollMemory,
    facts: Facts = NOTHING_COLLECTED,
    judgement: Judgement = NOTHING_JUDGED,
    *,
    at_epoch: float,
) -> Picture:
    """Return the PBS as it is now; what could not be renewed is told for a while, marked."""
    is_current = memory.pbs_status_epoch == at_epoch
    is_told = is_recent(memory.pbs_status_epoch, at_epoch=at_epoch, seconds=GRACE_SECONDS)
    host = memory.pbs_status if is_told else None
    states = states_now(facts, at_epoch=at_epoch)
    datastores = known_datastores(memory.datastores, states) if instance.monitor_datastores else ()
    is_late = not is_recent(memory.datastores_epoch, at_epoch=at_epoch, seconds=GRACE_SECONDS)
    told = {one.name for one in memory.datastores}
    server = ServerFigures(
        status="online",
        health="healthy",
        seen_epoch=at_epoch,
        is_stale=host is not None and not is_current,
        version=memory.pbs_version,
        host=host,
        host_epoch=memory.pbs_status_epoch if host is not None else None,
        datastores=tuple(
            datastore_figures(
                reading,
                states.get(reading.name),
                facts.namespaces.get(reading.name, ()),
                is_stale=is_late and reading.name in told,
            )
            for reading in datastores
        ),
        datastores_epoch=memory.datastores_epoch or None,
        jobs=jobs_of(instance, facts, judgement),
        backup_jobs=judgement.server_backup_jobs.get(instance.pk, ()),
    )
    concerns = pbs_concerns(
        datastores=datastores,
        datastores_epoch=memory.datastores_epoch,
        wanted=wanted_jobs(instance),
        missed=judgement.missed_by(instance.pk),
        facts=facts,
        polled=memory.progress,
        failure=judgement.failures.get(instance.pk, ""),
        judged_epoch=judgement.judged_epoch,
        at_epoch=at_epoch,
    )
    return Picture(Figures(server=server), concerns)


def jobs_of(instance: Instance, facts: Facts, judgement: Judgement) -> tuple[ServerJob, ...]:
    """Return the jobs of the server that are to be monitored, each with the run that it has missed."""
    missed = judgement.missed_by(instance.pk)
    return tuple(
        ServerJob(job, missed.get(f"{job.kind} {job.id}"))
        for kind in wanted_jobs(instance)
        for job in facts.server_jobs.get(kind, ())
    )


def known_datastore(name: str, facts: Facts) -> DatastoreFigures:
    """Return a datastore of which only the facts are known."""
    namespaces = paths_of(facts.namespaces.get(name, ()))
    return DatastoreFigures(name, "unknown", is_stale=True, namespaces=namespaces)

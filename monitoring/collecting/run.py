"""One visit of the slow lanes to one instance: ask the questions that are due, as far as the host's time allows.

A visit follows a good live poll, about every ten seconds. It makes one call at a time, so that of the two that a host is
asked at once one stays free for the live figures, and ends when it has used its share of the interval: a host that answers
slowly is asked less. Nothing here can make a live poll fail.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from monitoring.backups.attribution import BackupServer
from monitoring.collecting import forgetting, happening, lists, pbs, pve, schedule
from monitoring.collecting.calls import Calls
from monitoring.collecting.evidence import server_of
from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import Visit
from monitoring.known.costs import LaneLedger
from monitoring.known.facts import FACTS, Facts
from monitoring.known.flaws import Broken
from monitoring.known.lanes import NEVER, Lane
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.store import saved
from monitoring.store.current import store
from monitoring.store.leases import lease
from nodes.choices import InstanceKind
from nodes.connecting import Connection, connection_for
from nodes.models import Instance
from nodes.proxmox.errors import CredentialUnreadable, LoginFailed, NodeBusy, ProxmoxError, TimedOut
from nodes.proxmox.metering import accounted
from nodes.proxmox.slots import in_background

logger = logging.getLogger(__name__)

#: Which questions each kind of instance has; others have none.
QUESTIONS: dict[str, Callable[[Visit], Iterable[Question]]] = {
    InstanceKind.PVE: pve.questions,
    InstanceKind.PBS: pbs.questions,
}
#: Polls may come faster; the slow lanes do not.
VISIT_SECONDS = 9.0
#: Calls of one visit for what is asked again and again, and while there is something that was never asked.
CALLS_PER_VISIT = 20
FIRST_CALLS_PER_VISIT = 60
#: Calls for what guests were never asked, of all clusters together in one round of visits; of each not less than the second.
FIRST_OF_GUESTS_PER_ROUND = 100
LEAST_FIRST_OF_GUESTS = 10
#: What is found for the first time is asked for in the same visit, so many times one after the other.
ROUNDS = 4
#: After this long a visit begins nothing more.
BUDGET_SECONDS = 4.0
#: The share of the time that a host may be kept busy: after a long visit it is left alone, for so long at most.
BUSY_RATIO = 0.4
LONGEST_REST_SECONDS = 60.0
#: A node that is online and did not answer in time is left alone for this long.
NODE_REST_SECONDS = 60.0
#: A visit under way is ended after this long whatever a call is waiting for.
DEADLINE_SECONDS = 60.0
LEASE_SECONDS = 120
#: No visit for this long says that Pulse or the host was away, or that the clock was set: how it differs from that of the host, by
#: which the host's schedules are meant, is asked anew.
AWAY_SECONDS = 600.0


def collect(instance_id: int, at: datetime) -> bool:
    """Ask what is due; False when another visit is on, none is due, or the instance does not answer its live polls.

    What was collected before a restart is shown at once, also of a host that does not answer. Never raises for what a host
    does.
    """
    with lease(f"collecting:{instance_id}", LEASE_SECONDS) as held:
        instance = Instance.objects.polled().prefetch_related("endpoints").filter(pk=instance_id).first()
        memory = store().load(MEMORY, of=instance_id)
        if not held or instance is None or instance.kind not in QUESTIONS:
            return False
        if memory is None or memory.instance_version != instance.version:
            return False
        facts = saved.facts_of(instance)
        if memory.failures or memory.succeeded_epoch is None:
            if facts is not None:
                keep(instance, memory, facts, at=at)
            return False
        facts = facts or Facts()
        if not is_time(facts, epoch=at.timestamp()):
            return False
        try:
            connection = connection_for(instance)
        except CredentialUnreadable as error:
            logger.warning("%s: %s", instance.name, error)
            return False
        make_visit(instance, connection, memory, facts, epoch=at.timestamp())
        if not keep(instance, memory, facts, at=at):
            connection.close()  # whoever edited or removed it did so before the last calls opened it anew
        return True


def is_time(facts: Facts, *, epoch: float) -> bool:
    """Return whether a visit is due; one in the future says that the clock was set back."""
    return facts.visited_epoch > epoch or epoch >= max(
        facts.visited_epoch + VISIT_SECONDS, facts.rest_until_epoch
    )


def keep(instance: Instance, memory: PollMemory, facts: Facts, *, at: datetime) -> bool:
    """Make the facts known and show them; False when the instance was edited, paused or removed meanwhile."""
    polled = Instance.objects.polled().filter(pk=instance.pk)
    if not polled.filter(version=instance.version).exists():
        return False
    try:
        lists.publish(instance, facts, memory, at_epoch=at.timestamp())
    except Exception as error:  # a flaw of ours in the lists must not cost what was read
        logger.exception("%s: the lists could not be made", instance.name)
        facts.note_flaw("the lists of backups cannot be made", error)
    else:
        facts.note_flaw("the lists of backups cannot be made", None)
    keep_events(instance, facts, at=at)
    try:
        saved.save(instance, facts, at=at)
    finally:  # last of all: both have noted in the facts what they were made from
        store().save(FACTS, facts, of=instance.pk)
    if not polled.exists():
        store().remove(instance.pk)  # whoever removed it did so before there was this to take out
        return False
    return True


def keep_events(instance: Instance, facts: Facts, *, at: datetime) -> None:
    """Keep what the tasks tell; a flaw of ours in that must not cost what was read."""
    try:
        happening.record(instance, facts, at_epoch=at.timestamp())
    except Exception as error:
        if "what happened cannot be kept" not in facts.flaws:
            logger.exception("%s: what happened could not be kept", instance.name)
        facts.note_flaw("what happened cannot be kept", error)
    else:
        facts.note_flaw("what happened cannot be kept", None)


def make_visit(
    instance: Instance, connection: Connection, memory: PollMemory, facts: Facts, *, epoch: float
) -> None:
    """Ask what is due, the most urgent first, until the calls or the time of the visit are used up."""
    begin(facts, instance, memory, epoch=epoch)
    calls = Calls(connection, memory, at_epoch=epoch, deadline_seconds=DEADLINE_SECONDS)
    visit = Visit(instance, calls, facts, memory, epoch, servers_of(instance))
    spent = Spent(time.monotonic())
    held = facts.permissions
    wanted = ask_in_rounds(visit, spent)
    facts.rest_until_epoch = epoch + min(spent.seconds() / BUSY_RATIO, LONGEST_REST_SECONDS)
    facts.progress = schedule.hastened(facts.progress, visit.hastened, epoch=epoch)
    if held is not None and facts.permissions != held:
        facts.progress = schedule.permitted(facts.progress, epoch=epoch)
    facts.calls += calls.made
    facts.failed_calls += calls.failed
    if wanted:
        facts.progress = schedule.forgotten(facts.progress, wanted)
    forgetting.forget(visit)


@dataclass(slots=True)
class Spent:
    """What a visit has used of its calls and its time; `began` is monotonic."""

    began: float
    calls: int = 0
    first_of_guests: int = 0
    is_over: bool = False
    most_of_guests: int = 0

    def seconds(self) -> float:
        """Return how long the visit has taken so far."""
        return time.monotonic() - self.began

    def share(self, visit: Visit) -> int:
        """Return how many calls it may make for what guests were never asked, looked up once."""
        self.most_of_guests = self.most_of_guests or share_of(visit)
        return self.most_of_guests


def ask_in_rounds(visit: Visit, spent: Spent) -> list[Question]:
    """Plan and ask; once more when something was read for the first time, which others may depend on.

    Returns all questions there are by the last plan.
    """
    facts, wanted = visit.facts, []
    for _ in range(ROUNDS):
        wanted = planned(visit)
        facts.progress = schedule.hastened(facts.progress, visit.hastened, epoch=visit.epoch)
        known = count(facts)
        ask_due(visit, schedule.due(wanted, facts.progress, epoch=visit.epoch), spent)
        if spent.is_over or count(facts) == known:
            break
    return wanted


def count(facts: Facts) -> int:
    """Return how many questions were ever asked."""
    return sum(map(len, facts.progress.values()))


def ask_due(visit: Visit, waiting: Iterable[Question], spent: Spent) -> None:
    """Ask these questions in order, within the limits of a visit."""
    facts = visit.facts
    for question in waiting:
        if spent.seconds() > BUDGET_SECONDS:
            facts.slowed_epoch, spent.is_over = visit.epoch, True
            return
        is_new = facts.progress_of(question.lane, question.subject) is NEVER
        if spent.calls >= (FIRST_CALLS_PER_VISIT if is_new else CALLS_PER_VISIT):
            continue
        is_first_of_guest = is_new and isinstance(question.subject, int)
        if is_first_of_guest and spent.first_of_guests >= spent.share(visit):
            continue
        if facts.resting_nodes.get(question.node, 0.0) > visit.epoch:
            continue
        made, error = ask(visit, question)
        spent.calls += made
        spent.first_of_guests += made if is_first_of_guest else 0
        if error is not None and ends_visit(error):
            spent.is_over = True
            return


def share_of(visit: Visit) -> int:
    """Return how many calls a visit may make for what guests were never asked: those of a large estate take longer to be complete.

    Ten clusters of a thousand guests would else ask four thousand times a minute until everything was read once.
    """
    clusters = Instance.objects.polled().filter(kind=visit.instance.kind).count()
    return max(LEAST_FIRST_OF_GUESTS, FIRST_OF_GUESTS_PER_ROUND // max(clusters, 1))


def begin(facts: Facts, instance: Instance, memory: PollMemory, *, epoch: float) -> None:
    """Make the facts those of the instance as it is configured now."""
    if facts.instance_version != instance.version:
        facts.progress = schedule.renewed(facts.progress)
        facts.instance_version = instance.version
        facts.touched += 1
        facts.version += 1
    if facts.visited_epoch > epoch:
        catch_up(facts, epoch=epoch)
    if not 0 <= epoch - facts.visited_epoch <= AWAY_SECONDS:
        facts.progress = schedule.overdue(facts.progress, Lane.TIME)
    facts.asked_host = instance.host
    facts.visited_epoch = epoch
    facts.server_version = memory.pbs_version or facts.server_version


def catch_up(facts: Facts, *, epoch: float) -> None:
    """Bring back to the present what decides when something is asked or counts as missed: the clock was set back.

    When facts were read is left as it is: nobody knows how long ago that was, so they do not count until they are read anew.
    """
    facts.progress = schedule.caught_up(facts.progress, epoch=epoch)
    facts.resting_nodes = {}
    facts.slowed_epoch = min(facts.slowed_epoch, epoch)
    facts.job_history = {
        name: msgspec.structs.replace(
            one, changed_epoch=min(one.changed_epoch, epoch), noted_epoch=min(one.noted_epoch, epoch)
        )
        for name, one in facts.job_history.items()
    }


def servers_of(instance: Instance) -> tuple[BackupServer, ...]:
    """Return the PBS that Pulse knows, paused ones too, for a PVE: what they hold is not read through it."""
    if instance.kind != InstanceKind.PVE:
        return ()
    return tuple(server_of(one) for one in Instance.objects.filter(kind=InstanceKind.PBS))


def planned(visit: Visit) -> list[Question]:
    """Return every question of an instance of its kind, none when a flaw of ours stands in the way."""
    try:
        questions = list(QUESTIONS[visit.instance.kind](visit))
    except Exception as error:
        logger.exception("%s: nothing could be planned", visit.instance.name)
        visit.facts.note_flaw("nothing is read but the live figures", error)
        return []
    visit.facts.note_flaw("nothing is read but the live figures", None)
    return questions


def ask(visit: Visit, question: Question) -> tuple[int, ProxmoxError | None]:
    """Ask one question and note how it went; returns how many calls it made, and its failure."""
    facts = visit.facts
    ledger = LaneLedger(facts.costs, question.lane.group, at_epoch=visit.epoch)
    known = facts.progress_of(question.lane, question.subject)
    failure: ProxmoxError | None = None
    flaw: Exception | None = None
    try:
        with accounted(ledger), in_background():
            question.read(visit, *question.args)
    except ProxmoxError as error:
        failure = error
    except Exception as error:  # a flaw of ours in one lane must not stop the others
        failure, flaw = Broken(type(error).__name__), error
    if failure is None:
        progress = schedule.succeeded(question.key, known, epoch=visit.epoch, is_idle=question.is_idle)
    else:
        progress = schedule.failed(question.key, known, failure, epoch=visit.epoch, is_idle=question.is_idle)
        if not any(one.code == failure.code for one in facts.progress.get(question.lane, {}).values()):
            logger.info("%s: %s: %s", visit.instance.name, question.name, failure, exc_info=flaw)
        if question.node and isinstance(failure, TimedOut | NodeBusy):
            until = visit.epoch + NODE_REST_SECONDS
            facts.resting_nodes = {**facts.resting_nodes, question.node: until}
    facts.note(question.lane, question.subject, progress)
    return ledger.calls, failure


def ends_visit(error: ProxmoxError) -> bool:
    """Return whether every other call can only fail in the same way: the account or the address is the matter.

    A call that timed out may have been about something that hangs.
    """
    return isinstance(error, LoginFailed) or (error.is_connection_level and not isinstance(error, TimedOut))

"""One poll of one instance: look, show what was seen, then settle what may wait; when looking fails, show what is known, marked."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import DatabaseError

from monitoring.backups.judgement import JUDGEMENT, NOTHING_JUDGED, Judgement
from monitoring.collecting import schedule
from monitoring.collecting.calls import Calls
from monitoring.concerns.own import noticed
from monitoring.concerns.unread import failing_tasks, unsaved
from monitoring.figures.instances import Figures
from monitoring.history import events, keeping
from monitoring.history.changes import changes_between
from monitoring.known.costs import LaneLedger
from monitoring.known.facts import NOTHING_COLLECTED, Facts
from monitoring.known.flaws import Broken
from monitoring.known.lanes import Lane
from monitoring.known.memory import PollMemory, set_back
from monitoring.known.notices import NO_NOTICES, NOTICES
from monitoring.known.troubles import NO_TROUBLES, TROUBLES
from monitoring.known.wanted import wanted_figures
from monitoring.polling import limits, outcomes
from monitoring.polling.publishing import Picture, Spent, publish
from monitoring.store import saved
from monitoring.store.current import store
from nodes.connecting import connection_for
from nodes.models import Instance
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.metering import accounted
from pulse.lib import saving

logger = logging.getLogger(__name__)


class Poll(ABC):
    """A poll under way; each kind of instance says how it looks, what is shown of it, and what is left to do then.

    `calls` is None until there is a connection. `facts` are what the slow lanes knew when it began.
    """

    has_slow_lanes: ClassVar[bool] = True

    def __init__(self, instance: Instance, memory: PollMemory, at: datetime) -> None:
        """Begin: nothing is asked yet."""
        memory.cycles += 1
        if memory.polled_epoch > at.timestamp():
            set_back(memory, seconds=memory.polled_epoch - at.timestamp())
            memory.progress = schedule.caught_up(memory.progress, epoch=at.timestamp())
        memory.polled_epoch = at.timestamp()
        memory.first_polled_epoch = memory.first_polled_epoch or at.timestamp()
        self.instance, self.memory, self.at = instance, memory, at
        self.before = memory.figures
        self.epoch = at.timestamp()
        self.interval = float(settings.POLLING_INTERVAL_SECONDS)
        self.started = time.monotonic()
        known = saved.facts_of(instance) if self.has_slow_lanes else None
        self.facts: Facts = known or NOTHING_COLLECTED
        self.calls: Calls | None = None
        self.picture = Picture(Figures())

    # --- what each kind says -------------------------------------------------------------------------------------

    @abstractmethod
    def read(self, calls: Calls) -> None:
        """Ask for what is due and remember it; raises the ProxmoxError of a host that does not answer."""

    @abstractmethod
    def true_now(self, judgement: Judgement) -> Picture:
        """Return what is true after a good look."""

    @abstractmethod
    def last_known(self, error: ProxmoxError) -> Figures:
        """Return what was last known, marked, when the look has failed."""

    @abstractmethod
    def finish(self, calls: Calls) -> None:
        """Do what may wait until the figures are shown."""

    @staticmethod
    @abstractmethod
    def restored(instance: Instance, facts: Facts, judgement: Judgement, *, at_epoch: float) -> Figures:
        """Return what is remembered of an instance that was not polled since the start.

        Nothing is invented: what is not known yet is `unknown`, neither running nor offline.
        """

    # --- what all have in common ---------------------------------------------------------------------------------

    @property
    def ended_epoch(self) -> float:
        """The instant that it has come to: whoever answers a little at a time is silent while it waits as well."""
        return self.epoch + time.monotonic() - self.started

    def run(self) -> None:
        """Look once and publish what was seen, or what is known when the look fails."""
        try:
            self.look()
        except ProxmoxError as error:
            self.fail(error)
        except Exception as error:  # a flaw of ours in one instance must not stop the others
            if self.instance.failure_code != Broken.code:
                logger.exception("%s: the poll broke off", self.instance.name)
            self.fail(Broken(type(error).__name__))
        else:
            self.settle()
        if self.calls is not None:
            self.memory.calls += self.calls.made
            self.memory.failed_calls += self.calls.failed

    def look(self) -> None:
        """Read the instance and publish what was seen."""
        memory, deadline = self.memory, limits.deadline_seconds(self.interval)
        self.calls = Calls(
            connection_for(self.instance), memory, at_epoch=self.epoch, deadline_seconds=deadline
        )
        judgement = store().load(JUDGEMENT) or NOTHING_JUDGED
        with accounted(LaneLedger(memory.costs, Lane.LIVE.group, at_epoch=self.epoch)):
            self.read(self.calls)
        picture = self.true_now(judgement)
        own = failing_tasks(
            (store().load(TROUBLES) or NO_TROUBLES).lasting(at_epoch=self.epoch),
            self.instance.pk,
            not_kept=memory.trouble,
            judged_epoch=judgement.judged_epoch if self.has_slow_lanes else 0.0,
            at_epoch=self.epoch,
        )
        told = noticed((store().load(NOTICES) or NO_NOTICES).lasting(at_epoch=self.epoch))
        trouble = saving.trouble()
        not_saved = (unsaved(trouble.code, trouble.text),) if trouble is not None else ()
        self.picture = picture._replace(concerns=(*picture.concerns, *not_saved, *own, *told))
        memory.succeeded_epoch = self.epoch
        memory.failures = memory.login_failures = 0
        memory.login_is_refused = False
        self.publish(self.picture)

    def settle(self) -> None:
        """Do what may wait. What fails here is tried again by the next poll.

        The sample is taken whatever could not be saved before it: it waits in the memory until there is room.
        """
        failed = False
        for step in (self.record, self.sample, self.record_changes):
            try:
                step()
            except Exception as error:  # the figures are out: a full disk must not make hosts look sick
                failed = True
                self.report(error)
        if not failed:
            self.memory.trouble = ""

    def record(self) -> None:
        """Keep what the instance has told of itself, and that it answers."""
        memory, calls = self.memory, self.calls
        if calls is not None:
            outcomes.pin_certificate(self.instance, calls.connection)
            outcomes.keep_trust(self.instance, memory, calls.connection, at=self.at)
        outcomes.record_success(self.instance, memory, at=self.at)
        if calls is not None:
            self.finish(calls)

    def sample(self) -> None:
        """Take a sample for the history."""
        keeping.keep(self.instance, self.memory, self.facts, at=self.at)

    def record_changes(self) -> None:
        """Keep what has changed since the last look, unless the instance was edited meanwhile: other things are to be seen now."""
        memory, version = self.memory, self.instance.version
        is_edited = memory.compared_version not in (0, version)
        memory.compared_version = version
        if not is_edited:
            changes = changes_between(self.before, memory.figures, at_epoch=self.epoch)
            events.record_changes(self.instance, changes)

    def fail(self, error: ProxmoxError) -> None:
        """Publish what was last known, marked as the contract says, and note the failure."""
        memory = self.memory
        memory.failures += 1
        if outcomes.is_refusal(error):
            memory.login_failures += 1
            memory.login_is_refused = (
                memory.login_is_refused or memory.login_failures >= limits.LOGIN_FAILURES
            )
        else:
            memory.login_failures = 0
        self.publish(Picture(wanted_figures(self.instance, self.last_known(error))))
        outcomes.record_failure(self.instance, memory, error, at=self.at)
        try:
            keeping.write_due(self.instance, memory, at=self.at)
        except DatabaseError as trouble:
            self.report(trouble)

    def publish(self, picture: Picture) -> None:
        """Make it the state of the instance."""
        made, failed = (self.calls.made, self.calls.failed) if self.calls is not None else (0, 0)
        spent = Spent(
            time.monotonic() - self.started, made + self.facts.calls, failed + self.facts.failed_calls
        )
        publish(self.instance, self.memory, picture, at_epoch=self.epoch, spent=spent)

    def report(self, error: Exception) -> None:
        """Log what went wrong beside the reading, once until it is gone or another."""
        trouble = type(error).__name__
        if saving.is_told(error):
            return
        if self.memory.trouble != trouble:
            logger.exception("%s: what was read could not be kept", self.instance.name)
        self.memory.trouble = trouble


def start_anew(memory: PollMemory, instance: Instance) -> None:
    """Forget what an edit has made doubtful; counters stay, so that rates go on (state.md 3.1)."""
    if memory.instance_name not in ("", instance.name):
        memory.node_ids, memory.storage_ids = {}, shared_ids(memory.storage_ids)
        # Clients know the old names: the next fragment stands for itself.
        memory.fragment_version = 0
    memory.instance_version = instance.version
    memory.instance_name = instance.name
    memory.progress = {}
    memory.failures = memory.login_failures = 0
    memory.login_is_refused = False
    memory.duplicate_of = 0
    memory.datastores_epoch = memory.mail_nodes_epoch = 0.0
    memory.details_asked_epoch = {}


def shared_ids(storage_ids: Mapping[str, str]) -> dict[str, str]:
    """Return the ids of shared storages, which hold no name of an instance that can change."""
    return {key: identity for key, identity in storage_ids.items() if key.endswith("/")}

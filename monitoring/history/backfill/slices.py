"""One slice of a backfill: the next objects, as far as the time allows; or the samples of the last half hour, node by node."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from monitoring.choices import BackfillReason
from monitoring.figures.versions import numbers_of
from monitoring.history import rows
from monitoring.history.backfill import frames
from monitoring.history.backfill.frames import Frame
from monitoring.history.backfill.subjects import Subject, owner_of, subjects_of
from monitoring.history.backfill.told import ROUND_SECONDS, Window, sampled_series, series_of
from monitoring.history.metrics import Kind
from monitoring.history.rows import Rows
from monitoring.history.telling import ToldSeries
from monitoring.known.memory import PollMemory
from monitoring.models import Backfill
from nodes.choices import InstanceKind
from nodes.connecting import Connection, words_of
from nodes.models import Instance, Node
from nodes.proxmox import pbs, pve, records
from nodes.proxmox.client import Client
from nodes.proxmox.errors import LoginFailed, NotFound, PermissionDenied, ProxmoxError
from nodes.proxmox.readings.records import ExportedReading, RecordsReading

Result = TypeVar("Result")

#: So many objects are kept at once, so that neither their points nor the writing of them grows without bound.
OBJECTS_PER_SLICE = 8
CALL_SECONDS = 15.0
#: The call waits for each node of a cluster in turn.
EXPORT_SECONDS = 45.0

#: Samples are kept by hosts for so long; what is older is only in their averages.
SAMPLES_SECONDS = 1_790
#: The first rate needs the sample before.
BEFORE_SECONDS = 3 * ROUND_SECONDS
#: The versions since which hosts tell samples, and since which a cluster tells those of some of its nodes alone.
EXPORTS = {InstanceKind.PVE: (8, 2, 5), InstanceKind.PBS: (3, 2, 8)}
NAMES_NODES = (9, 0, 8)
FINE_RECORDS = (9,)
#: Values of a node and of a guest in one round, at most, and how many one answer may have.
PER_NODE, PER_GUEST, PER_STORAGE, MOST_VALUES = 15, 11, 2, 80_000

SAMPLES, AVERAGES = "samples", "averages"


@dataclass(slots=True)
class Outcome:
    """What came of a slice: how many objects were read and failed, and `marks`, how many steps the cursor has gone.

    `begins_anew`: what had been read before counts no more. `is_stopped`: the host did not answer.
    """

    message: str = ""
    cursor: str = ""
    read: int = 0
    failed: int = 0
    marks: int = 0
    total: int = 0
    is_complete: bool = False
    is_stopped: bool = False
    begins_anew: bool = False

    def passed(self, cursor: str, *, error: str = "") -> None:
        """Note that one object is done with; `error` says why nothing could be read of it."""
        self.cursor = cursor
        self.marks += 1
        self.read += not error
        self.failed += bool(error)
        self.message = self.message or error


@dataclass(slots=True)
class Slice:
    """One slice of the reading of one instance, and the points that it was told."""

    backfill: Backfill
    instance: Instance
    memory: PollMemory
    connection: Connection
    at: datetime
    points: list[ToldSeries] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)
    todo: list[str] = field(default_factory=list)

    @property
    def window(self) -> Window:
        """The time that is wanted."""
        start = self.backfill.start_epoch
        return Window(0 if start is None else start, self.backfill.end_epoch, self.at.timestamp())

    def read(self, *, until: float, is_wanted: Callable[[], bool]) -> None:
        """Read what comes next, one object at least, until the monotonic clock shows `until` or nobody wants it any more.

        Raises the ProxmoxError that lets every other call fail as well.
        """
        version = self._version()
        mode, _, mark = self.backfill.cursor.partition("|")
        if mode != AVERAGES and self._can_sample(version):
            if self._read_samples(version, mark, until=until, is_wanted=is_wanted):
                return
            mark, self.outcome = "", Outcome(begins_anew=True)  # the account may not, or this host cannot
        elif mode == SAMPLES:
            mark = ""
            self.outcome.begins_anew = True
        self._read_averages(version, mark, until=until, is_wanted=is_wanted)

    def stopped(self, message: str) -> None:
        """Note that the host did not answer: later it goes on from here."""
        self.outcome.is_stopped = True
        self.outcome.message = message
        self.outcome.total = self.outcome.total or self.backfill.total_count

    def pass_over(self, message: str) -> None:
        """Leave out the next object: the host has run out of time over it again and again."""
        if self.todo:
            self.outcome.is_stopped = False
            self.outcome.passed(self.todo[0], error=message)

    # --- Averages -----------------------------------------------------------------------------------------------------

    def _read_averages(
        self, version: tuple[int, ...], mark: str, *, until: float, is_wanted: Callable[[], bool]
    ) -> None:
        subjects = subjects_of(self.instance, self.memory, self.at)
        left = [one for one in subjects if one.is_after(mark)]
        self.outcome.total = len(subjects)
        self.todo = [f"{AVERAGES}|{one.mark}" for one in left]
        for count, subject in enumerate(left):
            if count >= OBJECTS_PER_SLICE or (count and time.monotonic() > until) or not is_wanted():
                return
            told, error = self._averages_of(subject, self._frames(subject, version))
            self.points += told
            self.todo.pop(0)
            self.outcome.passed(f"{AVERAGES}|{subject.mark}", error="" if told else error)
        self.outcome.is_complete = True

    def _averages_of(self, subject: Subject, wanted: Sequence[Frame]) -> tuple[list[ToldSeries], str]:
        """Return what an object tells, and why not when it fails; raises what would fail for every other object too."""
        told: list[ToldSeries] = []
        message = ""
        for frame in wanted:
            try:
                reading = self._rows_of(subject, frame)
            except ProxmoxError as error:
                if error.is_connection_level or isinstance(error, LoginFailed):
                    raise
                message = message or f"{subject.name}: {words_of(error, self.instance)}"
                continue
            earliest = int(self.at.timestamp()) - frame.reach_seconds - frame.step_seconds
            window = self.window._replace(start_epoch=max(self.window.start_epoch, earliest))
            series = series_of(subject.kind, subject.pk, reading, window)
            if series is not None:
                told.append(series)
        return told, message

    def _rows_of(self, subject: Subject, frame: Frame) -> RecordsReading:
        def ask(client: Client) -> RecordsReading:
            return records.averages(
                client,
                *subject.path,
                call=subject.call,
                timeframe=frame.name,
                timeout_seconds=CALL_SECONDS,
            )

        return self._ask(ask)

    def _frames(self, subject: Subject, version: tuple[int, ...]) -> tuple[Frame, ...]:
        known: tuple[Frame, ...] = frames.OLD
        if self.instance.kind == InstanceKind.PBS:
            known = frames.NEW
        elif self.instance.kind == InstanceKind.PVE and version >= FINE_RECORDS:
            known = frames.WITH_DECADE if subject.kind == Kind.NODE else frames.NEW
        return frames.needed(known, start_epoch=self.backfill.start_epoch, now_epoch=self.at.timestamp())

    # --- Samples ------------------------------------------------------------------------------------------------------

    def _can_sample(self, version: tuple[int, ...]) -> bool:
        """Return whether the host still has its samples of the wanted time, and can tell them in answers of a bearable size."""
        since = EXPORTS.get(InstanceKind(self.instance.kind))
        start = self.backfill.start_epoch
        if self.backfill.reason != BackfillReason.GAP or since is None or start is None or version < since:
            return False
        age = self.at.timestamp() - start
        if not 0 <= age <= SAMPLES_SECONDS:
            return False
        known = rows.looked_up(self.instance, at_epoch=self.at.timestamp())
        nodes = max(1, len(known.nodes)) if version >= NAMES_NODES else 1
        values = PER_NODE * nodes + PER_GUEST * len(known.guests) + PER_STORAGE * len(known.storages)
        # Those of one node at once; the fullest may have twice the share of each.
        share = values if nodes == 1 else 2 * values / nodes
        return share * (age + BEFORE_SECONDS) / ROUND_SECONDS <= MOST_VALUES

    def _read_samples(
        self, version: tuple[int, ...], mark: str, *, until: float, is_wanted: Callable[[], bool]
    ) -> bool:
        """Read the samples, node by node where the version can; False when the account or the host cannot tell them."""
        known = rows.looked_up(self.instance, at_epoch=self.at.timestamp())
        portions = self._portions(version)
        left = [one for one in portions if not mark or one > mark]
        self.outcome.total = len(portions)
        self.todo = [f"{SAMPLES}|{one}" for one in left]
        for count, portion in enumerate(left):
            if (count and time.monotonic() > until) or not is_wanted():
                return True
            error = ""
            try:
                told = self._samples_of(portion)
            except (PermissionDenied, NotFound):
                return False
            except ProxmoxError as failure:
                if failure.is_connection_level or isinstance(failure, LoginFailed):
                    raise
                told, error = (), words_of(failure, self.instance)
            self._keep_samples(told, known)
            self.todo.pop(0)
            missing = ", ".join(self._missing(portion, told))
            if missing and not error:
                error = f"Nothing was told of {missing}"
            self.outcome.passed(f"{SAMPLES}|{portion}", error=error)
        self.outcome.is_complete = True
        return True

    def _portions(self, version: tuple[int, ...]) -> list[str]:
        """Return the nodes that are asked for one by one; "*" stands for everything at once."""
        if self.instance.kind != InstanceKind.PVE or version < NAMES_NODES:
            return ["*"]
        return sorted(self._present()) or ["*"]

    def _present(self) -> set[str]:
        """Return the nodes that are online."""
        online = Node.objects.filter(instance=self.instance, gone_at=None, absent_since=None)
        return set(online.values_list("name", flat=True))

    def _samples_of(self, portion: str) -> tuple[ExportedReading, ...]:
        since = self.window.start_epoch - BEFORE_SECONDS
        if self.instance.kind == InstanceKind.PBS:
            return self._ask(
                lambda client: records.server_metrics(client, since_epoch=since, timeout_seconds=CALL_SECONDS)
            )
        nodes = () if portion == "*" else (portion,)
        return self._ask(
            lambda client: records.export(
                client, since_epoch=since, nodes=nodes, timeout_seconds=EXPORT_SECONDS
            )
        )

    def _keep_samples(self, told: Sequence[ExportedReading], known: Rows) -> None:
        kept = {(series.kind, series.pk) for series in self.points}
        for one in told:
            owner = owner_of(one, self.instance, known)
            if owner is None or owner in kept:  # a shared storage is told by each node
                continue
            series = sampled_series(*owner, one, self.window)
            if series is not None:
                kept.add(owner)
                self.points.append(series)

    def _missing(self, portion: str, told: Sequence[ExportedReading]) -> list[str]:
        """Return the nodes that were asked for and not told: a cluster leaves them out without a word."""
        if self.instance.kind != InstanceKind.PVE:
            return []
        asked = self._present() if portion == "*" else {portion}
        return sorted(asked - {one.name for one in told if one.kind == "node"})

    # --- Calls --------------------------------------------------------------------------------------------------------

    def _version(self) -> tuple[int, ...]:
        """Return the version of the host that is asked; a PBS tells the last part of its own apart."""
        is_pbs = self.instance.kind == InstanceKind.PBS
        call = pbs.version if is_pbs else pve.version
        told = self._ask(lambda client: call(client, timeout_seconds=CALL_SECONDS))
        return numbers_of(f"{told.version}.{told.release}" if is_pbs else told.version)

    def _ask(self, call: Callable[[Client], Result]) -> Result:
        return self.connection.ask(call)

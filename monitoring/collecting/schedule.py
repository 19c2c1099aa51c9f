"""What is due, in the slow lanes and of the seldom calls of the live one, and what its outcome means for the next time; pure.

A question is a lane with one of its subjects. Instants are epoch seconds.
Source: api-facts.md 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, zip_longest
from typing import Any, NamedTuple
from zlib import crc32

from msgspec.structs import replace

from monitoring.known.lanes import NEVER, Key, Lane, Progress, ProgressByLane, Subject, name_of
from monitoring.known.terms import DENIALS, LONGEST_RETRY_SECONDS, TERMS, Terms, period_of
from nodes.proxmox.errors import PermissionDenied, ProxmoxError

#: A call that the account may not make, or that this version does not know, is not made again for this long.
DENIAL_SECONDS = 1800.0
#: How far a question strays from its period, so that questions that began together drift apart.
JITTER_RATIO = 0.05
#: After its first success a question comes again sooner than its period, each at another moment of it.
EARLIEST_SECOND_RATIO = 0.3
#: What is due before the middle between two visits is asked in the earlier one; else a period of 20 s would be one of 30.
SLACK_SECONDS = 4.5
#: A live poll that comes a little early does what is due by its time.
LIVE_SLACK_SECONDS = 0.5
#: What something has happened to is looked at again this long after the last time at the earliest.
HASTE_SECONDS = 60.0


class Question(NamedTuple):
    """One or a few calls that belong together.

    `read(visit, *args)` makes them and keeps what they told; it raises ProxmoxError.
    """

    lane: Lane
    subject: Subject
    read: Callable[..., None]
    args: tuple[Any, ...] = ()
    #: False: its subject exists and cannot be asked now, because its node is away or the guest does not run.
    is_possible: bool = True
    #: The node that answers: once it did not in time, it is left alone for a while. Empty where something else may hang.
    node: str = ""
    #: There is nothing of the kind, as far as is known: it is asked less often.
    is_idle: bool = False

    @property
    def key(self) -> Key:
        """What its progress is kept under."""
        return self.lane, self.subject

    @property
    def terms(self) -> Terms:
        """The terms of its lane."""
        return TERMS[self.lane]

    @property
    def period_seconds(self) -> float:
        """How often it is to be asked."""
        return period_of(self.lane, is_idle=self.is_idle)

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return name_of(self.lane, self.subject)


def is_due(known: Progress, *, epoch: float, is_wanted: bool = False) -> bool:
    """Return whether a call of the live lane is due; one that is wanted now is, unless the account may not make it."""
    return known.next_epoch <= epoch + LIVE_SLACK_SECONDS or (is_wanted and known.code not in DENIALS)


def due(questions: Iterable[Question], progress: ProgressByLane, *, epoch: float) -> list[Question]:
    """Return the questions that are due, the most urgent first.

    First those never tried on which others depend (rank 0). Then in turn one that is late, the latest for its period
    first, and one that was never tried, by rank: neither can hold up the others.
    """
    new: list[Question] = []
    late: list[tuple[float, Question]] = []
    for question in questions:
        if not question.is_possible:
            continue
        known = progress.get(question.lane, {}).get(question.subject)
        if known is None or not known.tried_epoch:
            new.append(question)
        elif known.next_epoch <= epoch + SLACK_SECONDS:
            late.append(((known.next_epoch - epoch) / question.period_seconds, question))
    new.sort(key=lambda one: (one.terms.rank, one.is_idle))
    late.sort(key=lambda one: one[0])
    first = [question for question in new if question.terms.rank == 0]
    pairs = zip_longest((question for _, question in late), new[len(first) :])
    return first + [question for question in chain.from_iterable(pairs) if question is not None]


def succeeded(key: Key, known: Progress, *, epoch: float, is_idle: bool = False) -> Progress:
    """Return the progress of a lane with a subject after a success."""
    lane, period = key[0], period_of(key[0], is_idle=is_idle)
    if TERMS[lane].is_live:
        wait = period
    elif known.done_epoch:
        wait = period * (1 - JITTER_RATIO + 2 * JITTER_RATIO * spread(key))
    else:
        wait = period * (EARLIEST_SECOND_RATIO + (1 - EARLIEST_SECOND_RATIO) * spread(key))
    return Progress(tried_epoch=epoch, done_epoch=epoch, next_epoch=epoch + wait)


def failed(
    key: Key, known: Progress, error: ProxmoxError, *, epoch: float, is_idle: bool = False
) -> Progress:
    """Return the progress after a failure: later for each in a row, much later for what the account may not ask."""
    terms, failures = TERMS[key[0]], known.failures + 1
    if error.code in DENIALS:
        wait = DENIAL_SECONDS * (1 if terms.is_live else 1 + JITTER_RATIO * spread(key))
    elif terms.is_live:
        wait = terms.retry_seconds
    else:
        patience = min(period_of(key[0], is_idle=is_idle), error.patience_seconds)
        patience = max(terms.retry_seconds, patience)
        wait = min(
            patience * 2 ** min(failures - 1, 10), max(terms.retry_seconds, terms.longest_retry_seconds)
        )
    # A poll comes when its host asked for it: what that means for a live call is told in `next_try_seconds`.
    asked = 0.0 if terms.is_live else min(error.retry_after_seconds or 0.0, LONGEST_RETRY_SECONDS)
    return Progress(
        tried_epoch=epoch,
        done_epoch=known.done_epoch,
        next_epoch=epoch + max(wait, asked),
        failures=failures,
        code=error.code,
        message=str(error)[:500],
    )


def forgotten(progress: ProgressByLane, wanted: Iterable[Question]) -> ProgressByLane:
    """Return the progress without questions whose subject is gone; the same object when none is."""
    subjects: dict[Lane, set[Subject]] = {}
    for question in wanted:
        subjects.setdefault(question.lane, set()).add(question.subject)
    if all(subjects.get(lane, set()) >= known.keys() for lane, known in progress.items()):
        return progress
    kept = {
        lane: {subject: one for subject, one in known.items() if subject in subjects.get(lane, ())}
        for lane, known in progress.items()
    }
    return {lane: known for lane, known in kept.items() if known}


def hastened(progress: ProgressByLane, happened: Mapping[Key, float], *, epoch: float) -> ProgressByLane:
    """Return the progress with these due soon, each with the instant at which something happened to it.

    One that was tried since has seen it. One that the account may not ask stays as it is: what happened changes nothing
    about that.
    """
    changed: dict[Lane, dict[Subject, Progress]] = {}
    for (lane, subject), since in happened.items():
        known = progress.get(lane, {}).get(subject, NEVER)
        if not known.tried_epoch or known.tried_epoch >= since or known.code in DENIALS:
            continue
        soon = max(epoch, known.tried_epoch + HASTE_SECONDS)
        if known.next_epoch > soon:
            changed.setdefault(lane, {})[subject] = replace(known, next_epoch=soon)
    return progress | {lane: progress[lane] | subjects for lane, subjects in changed.items()}


def permitted(progress: ProgressByLane, *, epoch: float) -> ProgressByLane:
    """Return the progress with everything due that the account might not ask so far: it has other rights now."""
    return each(
        progress, lambda one: replace(one, next_epoch=epoch) if one.code == PermissionDenied.code else one
    )


def renewed(progress: ProgressByLane) -> ProgressByLane:
    """Return the progress without failures: another credential may ask what the last one might not."""
    return each(progress, lambda one: None if one.code else one)


def overdue(progress: ProgressByLane, lane: Lane) -> ProgressByLane:
    """Return the progress with a lane due before all others, but for what the account may not ask of it."""
    known = {
        subject: one if one.code in DENIALS else replace(one, next_epoch=0.0)
        for subject, one in progress.get(lane, {}).items()
    }
    return progress | {lane: known} if known else progress


def caught_up(progress: ProgressByLane, *, epoch: float) -> ProgressByLane:
    """Return the progress with what was tried in the future due now: the clock was set back."""
    return each(
        progress,
        lambda one: (
            replace(one, tried_epoch=epoch, done_epoch=min(one.done_epoch, epoch), next_epoch=epoch)
            if one.tried_epoch > epoch
            else one
        ),
    )


def each(progress: ProgressByLane, change: Callable[[Progress], Progress | None]) -> ProgressByLane:
    """Return the progress with every entry changed; without those of which nothing is left."""
    changed = {
        lane: {subject: after for subject, one in known.items() if (after := change(one)) is not None}
        for lane, known in progress.items()
    }
    return {lane: known for lane, known in changed.items() if known}


def spread(key: Key) -> float:
    """Return a number from 0 to 1 that is always the same for a lane with a subject."""
    return crc32(name_of(*key).encode(errors="replace")) / math.pow(2, 32)

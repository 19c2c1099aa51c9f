"""Which errands of the slow lanes are due, and what their outcome means for the next time; pure.

An errand is a lane, or a lane and one of its subjects: `tasks/`, `config/101`. Instants are epoch seconds.
Source: api-facts.md 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, zip_longest
from typing import Any, NamedTuple
from zlib import crc32

from msgspec.structs import replace

from monitoring.known.facts import Progress
from nodes.proxmox.errors import NotFound, PermissionDenied, ProxmoxError

#: A call that the account may not make, or that this version does not know, is not made again for this long.
DENIAL_SECONDS = 1800.0
DENIALS = frozenset({PermissionDenied.code, NotFound.code})
#: After a failure the next try waits this long, doubled with each further one.
RETRY_SECONDS = 60.0
LONGEST_RETRY_SECONDS = 3600.0
#: How far an errand strays from its period, so that errands that began together drift apart.
JITTER_RATIO = 0.05
#: After its first success an errand comes again sooner than its period, each at another moment of it.
EARLIEST_SECOND_RATIO = 0.3
#: What is due before the middle between two turns is run in the earlier one; else a period of 20 s would be one of 30.
SLACK_SECONDS = 4.5
#: What something has happened to is looked at again this long after the last time at the earliest.
HASTE_SECONDS = 60.0

NEVER = Progress()


class Errand(NamedTuple):
    """One or a few calls that belong together.

    `run(turn, *args)` makes them and keeps what they told; it raises ProxmoxError.
    """

    lane: str
    subject: str
    period_seconds: float
    run: Callable[..., None]
    args: tuple[Any, ...] = ()
    #: Lower comes first among those that were never run.
    rank: int = 1
    #: False: its subject exists and cannot be asked now, because its node is away or the guest does not run.
    is_possible: bool = True
    #: The node that answers: once it did not in time, it is left alone for a while. Empty where something else may hang.
    node: str = ""
    #: After a failure the next try waits this long at least.
    retry_seconds: float = RETRY_SECONDS

    @property
    def name(self) -> str:
        """What its progress is kept under."""
        return f"{self.lane}/{self.subject}"


def due(errands: Iterable[Errand], progress: Mapping[str, Progress], *, at: float) -> list[Errand]:
    """Return the errands that are due, the most urgent first.

    First those never tried on which others depend (rank 0). Then in turn one that is late, the latest for its period
    first, and one that was never tried, by rank: neither can hold up the others.
    """
    new: list[Errand] = []
    late: list[tuple[float, Errand]] = []
    for errand in errands:
        if not errand.is_possible:
            continue
        known = progress.get(errand.name)
        if known is None or not known.tried_at:
            new.append(errand)
        elif known.next_at <= at + SLACK_SECONDS:
            late.append(((known.next_at - at) / errand.period_seconds, errand))
    new.sort(key=lambda one: one.rank)
    late.sort(key=lambda one: one[0])
    first = [errand for errand in new if errand.rank == 0]
    pairs = zip_longest((errand for _, errand in late), new[len(first) :])
    return first + [errand for errand in chain.from_iterable(pairs) if errand is not None]


def succeeded(errand: Errand, known: Progress, *, at: float) -> Progress:
    """Return the progress after a success."""
    share = spread(errand.name)
    if known.done_at:
        wait = errand.period_seconds * (1 - JITTER_RATIO + 2 * JITTER_RATIO * share)
    else:
        wait = errand.period_seconds * (EARLIEST_SECOND_RATIO + (1 - EARLIEST_SECOND_RATIO) * share)
    return Progress(tried_at=at, done_at=at, next_at=at + wait)


def failed(errand: Errand, known: Progress, error: ProxmoxError, *, at: float) -> Progress:
    """Return the progress after a failure: later for each in a row, much later for what the account may not ask."""
    failures = known.failures + 1
    if error.code in DENIALS:
        wait = DENIAL_SECONDS * (1 + JITTER_RATIO * spread(errand.name))
    else:
        patience = max(errand.retry_seconds, min(errand.period_seconds, error.patience_seconds))
        longest = max(errand.retry_seconds, LONGEST_RETRY_SECONDS)
        wait = min(patience * 2 ** min(failures - 1, 10), longest)
    asked = min(error.retry_after_seconds or 0.0, LONGEST_RETRY_SECONDS)
    return Progress(
        tried_at=at,
        done_at=known.done_at,
        next_at=at + max(wait, asked),
        failures=failures,
        code=error.code,
        message=str(error)[:500],
    )


def forgotten(progress: dict[str, Progress], wanted: Iterable[Errand]) -> dict[str, Progress]:
    """Return the progress without errands whose subject is gone; the same object when none is."""
    names = {errand.name for errand in wanted}
    if names >= progress.keys():
        return progress
    return {name: one for name, one in progress.items() if name in names}


def hastened(
    progress: dict[str, Progress], happened: Mapping[str, float], *, at: float
) -> dict[str, Progress]:
    """Return the progress with these errands due soon, by name with the instant at which something happened to each.

    One that was tried since has seen it. One that the account may not ask stays as it is: what happened changes nothing
    about that.
    """
    changed: dict[str, Progress] = {}
    for name, since in happened.items():
        known = progress.get(name)
        if known is None or known.tried_at >= since or known.code in DENIALS:
            continue
        soon = max(at, known.tried_at + HASTE_SECONDS)
        if known.next_at > soon:
            changed[name] = replace(known, next_at=soon)
    return {**progress, **changed} if changed else progress


def permitted(progress: Mapping[str, Progress], *, at: float) -> dict[str, Progress]:
    """Return the progress with everything due that the account might not ask so far: it has other rights now."""
    return {
        name: replace(one, next_at=at) if one.code == PermissionDenied.code else one
        for name, one in progress.items()
    }


def renewed(progress: Mapping[str, Progress]) -> dict[str, Progress]:
    """Return the progress without failures: another credential may ask what the last one might not."""
    return {name: one for name, one in progress.items() if not one.code}


def caught_up(progress: Mapping[str, Progress], *, at: float) -> dict[str, Progress]:
    """Return the progress with what was tried in the future due now: the clock was set back."""
    return {
        name: replace(one, tried_at=at, done_at=min(one.done_at, at), next_at=at)
        if one.tried_at > at
        else one
        for name, one in progress.items()
    }


def spread(name: str) -> float:
    """Return a number from 0 to 1 that is always the same for a name."""
    return crc32(name.encode(errors="replace")) / math.pow(2, 32)

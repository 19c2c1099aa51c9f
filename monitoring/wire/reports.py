"""How the lanes of one instance are doing, and what they cost the host; pure. Instants on the wire are RFC 3339."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitoring.known import costs
from monitoring.known.costs import LaneCost
from monitoring.known.facts import Facts
from monitoring.known.lanes import Lane, Progress
from monitoring.known.memory import PollMemory
from pulse.lib.instants import instant

COST_MINUTES = 10


class LaneReport(msgspec.Struct, frozen=True):
    """One kind of calls: how many subjects it has, how many were ever read, and how many fail.

    `oldestRead` is since when the one longest unread is that old; `code` and `message` are those of the worst failure.
    """

    lane: str
    subjects: int
    read: int
    failing: int
    newestRead: str
    oldestRead: str
    code: str = ""
    message: str = ""


class CostReport(msgspec.Struct, frozen=True):
    """What the last minutes have cost the hosts of an instance, by lane and together; `slowedAt`: they were given a rest."""

    minutes: int
    callsPerMinute: float
    bytesPerMinute: int
    secondsPerMinute: float
    refused: int
    broken: int
    unanswered: int
    slowedAt: str
    lanes: dict[str, LaneCost]


def lane_reports(memory: PollMemory, facts: Facts) -> list[LaneReport]:
    """Return the live lane and every slow one, by name."""
    live = LaneReport(
        lane=Lane.LIVE.group,
        subjects=1,
        read=1 if memory.succeeded_epoch else 0,
        failing=1 if memory.failures else 0,
        newestRead=instant(memory.succeeded_epoch),
        oldestRead=instant(memory.succeeded_epoch),
    )
    by_group: dict[str, list[Progress]] = {}
    for lane, subjects in facts.progress.items():
        by_group.setdefault(lane.group, []).extend(subjects.values())
    return [live, *(lane_report(group, by_group[group]) for group in sorted(by_group))]


def lane_report(group: str, progress: Sequence[Progress]) -> LaneReport:
    """Return how one slow lane is doing, several where they are one group.

    `message` is the failure of the subject that has failed most often.
    """
    read = [subject.done_epoch for subject in progress if subject.done_epoch]
    failing = [subject for subject in progress if subject.code]
    worst = max(failing, key=lambda subject: subject.failures, default=None)
    return LaneReport(
        lane=group,
        subjects=len(progress),
        read=len(read),
        failing=len(failing),
        newestRead=instant(max(read, default=0.0)),
        oldestRead=instant(min(read, default=0.0)),
        code=worst.code if worst else "",
        message=worst.message if worst else "",
    )


def cost_report(memory: PollMemory, facts: Facts, *, at_epoch: float) -> CostReport:
    """Return what the instance has been asked in the last whole minutes."""
    by_lane = costs.summary(memory.costs, at_epoch=at_epoch, minutes=COST_MINUTES)
    by_lane |= costs.summary(facts.costs, at_epoch=at_epoch, minutes=COST_MINUTES)
    every = by_lane.values()
    return CostReport(
        minutes=COST_MINUTES,
        callsPerMinute=round(sum(lane.calls for lane in every) / COST_MINUTES, 2),
        bytesPerMinute=sum(lane.bytes for lane in every) // COST_MINUTES,
        secondsPerMinute=round(sum(lane.seconds for lane in every) / COST_MINUTES, 3),
        refused=sum(lane.refused for lane in every),
        broken=sum(lane.broken for lane in every),
        unanswered=sum(lane.unanswered for lane in every),
        slowedAt=instant(facts.slowed_epoch),
        lanes=by_lane,
    )

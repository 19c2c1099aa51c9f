"""What asking costs a host, by lane and minute."""

from __future__ import annotations

from monitoring.known import costs
from monitoring.known.costs import LaneCost, LaneLedger
from monitoring.known.facts import Facts
from monitoring.known.lanes import Lane, Progress
from monitoring.known.memory import PollMemory
from monitoring.wire import reports

AT = 1767268800.0  # a whole minute


def record(account, lane, *, at, status=200, seconds=0.5, size=100):
    LaneLedger(account, lane, at_epoch=at).record(
        seconds=seconds, bytes_received=size, status=status, is_failure=status != 200
    )


def test_the_last_whole_minutes_are_added_up_without_the_current_one():
    account = {}
    for minute in range(12):
        record(account, "tasks", at=AT + 60 * minute)

    found = costs.summary(account, at_epoch=AT + 60 * 11 + 30, minutes=10)

    assert found == {"tasks": LaneCost(calls=10, calls_per_minute=1.0, bytes=1000, seconds=5.0)}


def test_answers_are_told_apart():
    account = {}
    ledger = LaneLedger(account, "disks", at_epoch=AT)
    for status in (200, 399, 400, 403, 499, 500, 595, None):
        ledger.record(seconds=0.0, bytes_received=0, status=status, is_failure=True)

    found = costs.summary(account, at_epoch=AT + 60)["disks"]

    assert (found.calls, found.refused, found.broken, found.unanswered) == (8, 3, 2, 1)
    assert ledger.calls == 8


def test_a_lane_that_did_nothing_lately_is_left_out():
    account = {}
    record(account, "disks", at=AT)

    assert costs.summary(account, at_epoch=AT + 60 * 10) == {
        "disks": LaneCost(calls=1, calls_per_minute=0.1, bytes=100, seconds=0.5)
    }
    assert costs.summary(account, at_epoch=AT + 60 * 11) == {}


def test_only_the_last_hour_is_kept():
    account = {}
    for minute in (0, 30, 100, 159):
        record(account, "disks", at=AT + 60 * minute)

    assert [one.minute - int(AT // 60) for one in account["disks"]] == [100, 159]


def test_a_clock_that_was_set_back_forgets_the_future():
    account = {}
    record(account, "disks", at=AT + 600)
    record(account, "disks", at=AT)

    assert [one.minute - int(AT // 60) for one in account["disks"]] == [0]


# --- reports ------------------------------------------------------------------------------------------------------


def test_the_report_of_a_lane_tells_its_worst_subject():
    facts = Facts(
        progress={
            Lane.DISKS: {"a": Progress(AT, AT, AT + 9)},
            Lane.ZFS_POOLS: {
                "b": Progress(AT, AT - 600, AT + 9, 2, "timeout", "No answer"),
                "c": Progress(AT, 0.0, AT + 9, 5, "server_error", "It failed"),
            },
        }
    )

    live, disks = reports.lane_reports(PollMemory(succeeded_epoch=AT), facts)

    assert (live.lane, live.subjects, live.read, live.failing) == ("live", 1, 1, 0)
    assert (disks.lane, disks.subjects, disks.read, disks.failing) == ("disks", 3, 2, 2)
    assert (disks.code, disks.message) == ("server_error", "It failed")
    assert (disks.oldestRead, disks.newestRead) == ("2026-01-01T11:50:00Z", "2026-01-01T12:00:00Z")


def test_the_report_of_costs_adds_the_live_lane_and_the_slow_ones():
    memory, facts = PollMemory(), Facts(slowed_epoch=AT)
    record(memory.costs, "live", at=AT)
    record(facts.costs, "disks", at=AT, status=403)
    record(facts.costs, "disks", at=AT, status=None)

    told = reports.cost_report(memory, facts, at_epoch=AT + 60)

    assert (told.minutes, told.callsPerMinute, told.bytesPerMinute, told.secondsPerMinute) == (
        10,
        0.3,
        30,
        0.15,
    )
    assert (told.refused, told.broken, told.unanswered) == (1, 0, 1)
    assert told.slowedAt == "2026-01-01T12:00:00Z"
    assert sorted(told.lanes) == ["disks", "live"]

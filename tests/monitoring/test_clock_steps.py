"""What a step of the clock does to what is polled, remembered and told (docs/clock.md)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import time_machine
from celery.beat import ScheduleEntry

from monitoring.backups.judgement import Judgement
from monitoring.backups.storages import when_unread
from monitoring.collecting import judging, run
from monitoring.concerns.clusters import contradictions
from monitoring.concerns.credentials import credential
from monitoring.concerns.unread import failing_tasks
from monitoring.feed.state import WholeState
from monitoring.figures import rates
from monitoring.figures.staleness import age_seconds, is_recent
from monitoring.known import costs, troubles
from monitoring.known.facts import CredentialFacts, Facts, GuestFacts, JobHistory, NodeFacts
from monitoring.known.freshness import NODE_LANES, current, current_guest, is_current, outdated
from monitoring.known.lanes import Lane
from monitoring.known.memory import Contradiction, PollMemory, set_back
from monitoring.known.presence import membership
from monitoring.polling.pve_picture import beside_of, coverage_now, status_now
from monitoring.wire.numbers import When
from monitoring.wire.state import top_of
from nodes.proxmox.readings.guests import GuestDetailReading
from nodes.proxmox.readings.hardware import DiskReading
from nodes.proxmox.readings.live import ClusterReading, GuestReading, MemberReading, NodeStatusReading
from pulse.celery import app
from pulse.runtime.steady import steady
from tests.conftest import NOON
from tests.monitoring.collected import facts_of, moment, turn, with_token
from tests.monitoring.test_state import fragment, keyed

AT = NOON.timestamp()
HOUR, DAY = 3600.0, 86_400.0
BACK = [HOUR, DAY]
STEPS = [-HOUR, HOUR, -DAY, DAY]


# --- ages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "expected"), [(0, 0.0), (5, 0.0), (6, None), (HOUR, None), (DAY, None), (-HOUR, HOUR)]
)
def test_an_instant_of_the_future_has_no_age(ahead, expected):
    assert age_seconds(AT + ahead, at_epoch=AT) == expected
    assert is_recent(AT + ahead, at_epoch=AT, seconds=60) is (expected == 0.0)


@pytest.mark.parametrize("step", BACK)
def test_where_a_number_comes_from_is_told_without_an_age(step):
    assert When(AT, AT - step).age_seconds is None
    assert When(AT, AT - 3).age_seconds == 0


@pytest.mark.parametrize("step", STEPS)
def test_what_was_read_before_a_step_does_not_count(step):
    node = NodeFacts(disks=(DiskReading("sda"),), disks_epoch=AT)
    guest = GuestFacts(detail=GuestDetailReading(vmid=100, kind="qemu"), detail_epoch=AT)
    at = AT + step

    assert is_current(Lane.TASKS, AT, at_epoch=at) is False
    assert current_guest(guest, at_epoch=at).detail is None
    is_kept = step == HOUR  # the disks of a node count for three hours
    assert list(outdated(node, NODE_LANES, at_epoch=at)) == ([] if is_kept else ["disks"])
    assert (current(Facts(nodes={"pve": node}), at_epoch=at).nodes["pve"].disks != ()) is is_kept


@pytest.mark.parametrize("step", STEPS)
def test_what_the_polls_remember_does_not_count(step):
    at = AT + step
    memory = PollMemory(
        cluster=ClusterReading(members=(MemberReading("pve"), MemberReading("pve2"))),
        cluster_epoch=AT,
        details={"pve": NodeStatusReading(load_average=(1.0, 1.0, 1.0))},
        details_epoch={"pve": AT},
    )

    assert membership(memory, at) is None
    assert status_now(memory, "pve", at_epoch=at).load_average == ()
    assert list(contradictions({"pve": Contradiction("pve2", AT)}, at_epoch=at)) == []


@pytest.mark.parametrize("step", STEPS)
def test_backups_that_were_judged_before_a_step_are_unknown_until_they_are_judged_again(step):
    judgement = Judgement(judged_epoch=AT, missed={1: {"backup nightly": 5}})
    at = AT + step

    told = list(failing_tasks([], 1, not_kept="", judged_epoch=AT, at_epoch=at))

    assert beside_of(1, Facts(), judgement, at_epoch=at).missed == {}
    assert coverage_now({}, AT, at_epoch=at) == {}
    assert [one.code for one in told] == ["internal_error"]
    assert when_unread(AT, at=NOON + timedelta(seconds=step)) == ("" if step == HOUR else "not_read_lately")


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_everything_that_the_polls_remember_stays_as_old_as_it_was():
    memory = PollMemory()
    instants = [
        name for name in PollMemory.__struct_fields__ if name.endswith(("_epoch", "_since", "_until"))
    ]
    for name in instants:
        setattr(memory, name, {"pve": AT} if isinstance(getattr(memory, name), dict) else AT)
    memory.contradicted = {"pve": Contradiction("pve2", AT)}

    set_back(memory, seconds=HOUR)

    kept = {name: getattr(memory, name) for name in instants}
    assert len(kept) == 24
    assert {next(iter(one.values())) if isinstance(one, dict) else one for one in kept.values()} == {
        AT - HOUR
    }
    assert memory.contradicted["pve"].seen_epoch == AT - HOUR


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_host_that_falls_silent_with_a_step_is_offline_within_a_minute(step, fake_pve, watch):
    watched = watch(fake_pve)
    for _ in range(3):
        watched.poll(after=10)
    fake_pve.faults.add("down")
    watched.seconds += int(step)

    shown = []
    for _ in range(12):
        watched.poll(after=10)
        shown += [node["status"] for node in watched.shown("nodes")]

    # A step ahead makes the silence longer than it is, a step back by an interval shorter.
    assert shown == (["offline"] * 12 if step > 0 else ["online"] * 4 + ["offline"] * 8)


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_nodes_are_asked_about_themselves_within_a_minute_of_a_step(step, fake_pve, watch):
    watched = watch(fake_pve)
    for _ in range(3):
        watched.poll(after=10)
    watched.seconds += int(step)
    fake_pve.traffic.reset()

    for _ in range(7):
        watched.poll(after=10)

    assert fake_pve.traffic.snapshot()["requests"]["/nodes/pve/status"] in (1, 2)


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_the_slow_lanes_read_anew_what_does_not_count_any_more(step, fake_cluster, watch):
    watched = with_token(watch(fake_cluster), fake_cluster)
    turn(watched, times=8)
    before = facts_of(watched).nodes["pve-01"].disks_epoch
    watched.seconds += int(step)

    turn(watched, times=8)

    facts, now = facts_of(watched), moment(watched).timestamp()
    assert before > 0
    old = set(outdated(facts.nodes["pve-01"], NODE_LANES, at_epoch=now)) | {
        fact
        for one in facts.guests.values()
        if one.config
        for fact in outdated(one, {"config": Lane.GUEST_CONFIGURATION}, at_epoch=now)
    }
    assert old == set()


@pytest.mark.django_db
@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_after_a_step_the_clock_of_the_host_is_compared_with_ours_anew(step, fake_cluster, watch):
    watched = with_token(watch(fake_cluster), fake_cluster)
    turn(watched, times=8)
    assert facts_of(watched).nodes["pve-01"].clock_ahead_seconds == 0
    watched.seconds += int(step)

    turn(watched, times=3)

    assert facts_of(watched).nodes["pve-01"].clock_ahead_seconds == -step


def test_a_step_back_lets_nothing_rest_and_no_job_begin_in_the_future():
    facts = Facts(
        resting_nodes={"pve": AT + 60},
        slowed_epoch=AT,
        job_history={"backup nightly": JobHistory("daily", AT, AT), "old": JobHistory("daily", 0.0, 5.0)},
    )

    run.catch_up(facts, epoch=AT - HOUR)

    assert facts.resting_nodes == {}
    assert facts.slowed_epoch == AT - HOUR
    assert facts.job_history == {
        "backup nightly": JobHistory("daily", AT - HOUR, AT - HOUR),
        "old": JobHistory("daily", 0.0, 5.0),
    }


@pytest.mark.parametrize("step", STEPS)
def test_a_visit_is_due_after_a_step(step):
    assert run.is_time(Facts(visited_epoch=AT, rest_until_epoch=AT + 60), epoch=AT + step)


@pytest.mark.django_db
@pytest.mark.parametrize("step", STEPS)
def test_backups_are_judged_at_once_after_a_step(step, own_store):
    assert judging.judge_if_due(NOON)
    assert not judging.judge_if_due(NOON + timedelta(seconds=10))

    assert judging.judge_if_due(NOON + timedelta(seconds=step))


@pytest.mark.parametrize("step", STEPS)
def test_costs_and_troubles_of_another_time_are_not_those_of_now(step):
    kept: costs.Costs = {}
    costs.minute_of(kept, "live", at_epoch=AT).calls = 5

    costs.minute_of(kept, "live", at_epoch=AT + step).calls = 1

    assert [one.calls for one in kept["live"]] == [1]
    failing = troubles.with_failure(troubles.NO_TROUBLES, "a.task", 0, "Error", at_epoch=AT)
    assert failing.lasting(at_epoch=AT + step) == []


@pytest.mark.parametrize("step", STEPS)
def test_rates_are_not_known_once_after_a_step_and_then_right(step):
    def reading(seconds):
        return GuestReading(
            vmid=100,
            kind="qemu",
            node="pve",
            status="running",
            uptime_seconds=1000 + seconds,
            network_in_bytes=100 * seconds,
            network_out_bytes=0,
            disk_read_bytes=0,
            disk_write_bytes=0,
        )

    sample, shown = None, []
    for seconds in (0, 10, 20, 30, 40):
        at_epoch = AT + seconds + (step if seconds >= 20 else 0)
        sample = rates.advance(sample, reading(seconds), at_epoch=at_epoch, is_fresh=True, interval=10.0)
        shown.append(sample.rates.network_in_bytes_per_second if sample.rates is not None else None)

    assert shown == [None, 100, None, 100, 100]


@pytest.mark.parametrize(
    ("step", "codes"),
    [(-HOUR, []), (HOUR, ["credential_expires"]), (-DAY, []), (DAY, ["credential_expires"])],
    ids=str,
)
def test_what_expires_is_told_by_the_clock_that_there_is(step, codes):
    known = CredentialFacts(is_token=True, expires_epoch=int(AT + 14 * DAY + 60))

    def told(at_epoch):
        return [one.code for one in credential(known, AT, at_epoch=at_epoch)]

    assert told(AT + step) == codes
    assert told(AT) == []
    assert told(AT + 14 * DAY + 60) == ["credential_expired"]


# --- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", BACK)
def test_the_last_update_is_not_that_of_a_host_that_was_polled_before_the_clock_was_set_back(step):
    before = msgspec.structs.replace(fragment(1, "lab"), polled_epoch=AT, poll_seconds=0.0)
    after = msgspec.structs.replace(fragment(2, "den"), polled_epoch=AT - step + 10, poll_seconds=0.0)

    def told(*fragments):
        return top_of(keyed(*fragments), clients=0, started_epoch=0.0, at_epoch=AT - step + 12)["lastUpdate"]

    assert told(before, after) == datetime.fromtimestamp(AT - step + 10, UTC).isoformat().replace(
        "+00:00", "Z"
    )
    assert told(before) == "2026-01-01T12:00:00Z"


@pytest.mark.parametrize("step", STEPS)
def test_the_process_runs_as_long_as_it_did_before_a_step(step):
    whole = WholeState()
    now = time.time()

    assert whole.started_epoch(now + 2) == pytest.approx(now, abs=2)
    assert whole.started_epoch(now + step) == pytest.approx(now + step, abs=2)


# --- the schedule of beat --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_beat_goes_on_when_the_clock_is_set(step, monkeypatch):
    told = steady({"dispatch": {"task": "monitoring.tasks.dispatch_polls", "schedule": 1.0}})
    entry = ScheduleEntry(name="dispatch", app=app, **told["dispatch"])
    began = time.monotonic()

    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=step)):
        monkeypatch.setattr(time, "monotonic", lambda: began + 0.5)
        assert not entry.is_due().is_due
        assert entry.is_due().next <= 1.0
        monkeypatch.setattr(time, "monotonic", lambda: began + 1.1)
        assert entry.is_due().is_due

"""Turns: what of the history reaches an engine, when, and what becomes of it while the engine takes nothing."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from monitoring.exporting.remote import sending, series, standing, targets, turns
from monitoring.exporting.remote.drafts import Draft
from monitoring.history import sealing
from monitoring.history.metrics import CPU, DISK_USED, MEMORY_USED, Kind
from monitoring.models import HistoryBatch, RemoteWriteCursor, RemoteWriteTarget
from monitoring.store.current import store
from nodes.models import Instance
from tests.conftest import NOON
from tests.factories import make_guest, make_instance, make_storage
from tests.monitoring.history import instant, write
from tests.monitoring.remote.receiver import Answer
from tests.monitoring.remote.targets import make_target

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

EPOCH = 1767268800  # noon
CPU_SERIES = "pulse_guest_cpu_ratio"


@pytest.fixture(autouse=True)
def after_a_start():
    """This process has sent nothing yet."""
    sending._known.clear()


@pytest.fixture
def guest():
    """A virtual machine of an instance."""
    return make_guest(make_instance(), 101)


@pytest.fixture
def target(receiver, guest):
    """A target that was looked at first at noon."""
    target = make_target(url=receiver.url)
    turn_at(0)
    return target


def turn_at(seconds):
    """Take the turn of every target so many seconds after noon."""
    at = NOON + timedelta(seconds=seconds)
    for pk in turns.due():
        turns.take(pk, at)


def sampled(guest, seconds, cpu=50.0, metric=CPU):
    """Write a sample of a guest, so many seconds after noon, for each of these."""
    for one in seconds:
        write(guest.instance_id, [instant(EPOCH + one, {guest.pk: {metric: cpu}})])


def minute(guest, number, cpu=50.0):
    """Write six samples of a guest within a minute after noon."""
    write(
        guest.instance_id,
        [instant(EPOCH + 60 * number + 10 * one, {guest.pk: {CPU: cpu}}) for one in range(6)],
    )


def seconds_of(samples):
    """Return samples with their seconds after noon."""
    return [(epoch - EPOCH, value) for epoch, value in samples]


def row():
    """The target as it is now."""
    return RemoteWriteTarget.objects.get()


def test_samples_arrive_as_they_are_held_under_the_names_of_their_objects(receiver, target, guest):
    storage = make_storage(guest.instance)
    write(
        guest.instance_id,
        [instant(EPOCH + second, {guest.pk: {CPU: 12.5, MEMORY_USED: 1 << 30}}) for second in (0, 10)],
    )
    write(guest.instance_id, [instant(EPOCH + 20, {storage.pk: {DISK_USED: 4 << 20}}, Kind.STORAGE)])

    turn_at(75)

    assert receiver.series() == {
        (("__name__", CPU_SERIES), ("instance", "pve-0"), ("kind", "qemu"), ("vmid", "101")): [
            (1767268800000, 0.125),
            (1767268810000, 0.125),
        ],
        (
            ("__name__", "pulse_guest_memory_used_bytes"), ("instance", "pve-0"), ("kind", "qemu"), ("vmid", "101"),
        ): [(1767268800000, 1073741824.0), (1767268810000, 1073741824.0)],
        (
            ("__name__", "pulse_storage_disk_used_bytes"), ("instance", "pve-0"), ("node", "pve1"), ("storage", "local"),
        ): [(1767268820000, 4194304.0)],
        (
            ("__name__", "pulse_guest_info"), ("instance", "pve-0"), ("kind", "qemu"), ("name", "guest-101"),
            ("node", "pve1"), ("vmid", "101"),
        ): [(1767268859000, 1.0)],
    }  # fmt: skip
    assert (row().sent_count, row().dropped_count) == (6, 0)
    assert row().last_success_at == NOON + timedelta(seconds=75)


def test_a_target_gets_what_is_sampled_after_it_was_added(receiver, guest):
    minute(guest, -1)
    make_target(url=receiver.url)

    turn_at(0)
    minute(guest, 0)
    turn_at(75)

    assert seconds_of(receiver.of(CPU_SERIES))[0] == (0, 0.5)


@pytest.mark.parametrize(
    ("start", "newest", "now", "expected"),
    [
        (0, 0, 59, False),
        (0, 0, 60, False),
        (0, 0, 74, False),
        (0, 0, 75, True),  # the first poll after the minute has come
        (0, 60, 61, True),
        (0, -60, 199, False),
        (0, -60, 200, True),  # nothing comes any more
    ],
)
def test_a_minute_is_sent_when_all_of_it_is_written(start, newest, now, expected):
    assert sending.is_complete(start, newest, now_epoch=now) is expected


def test_each_sample_is_sent_once_and_in_the_order_of_time(receiver, target, guest):
    for number in range(3):
        minute(guest, number)
        for second in (0, 15, 25, 45):
            turn_at(60 * number + 60 + second)

    assert [epoch - EPOCH for epoch, _ in receiver.of(CPU_SERIES)] == list(range(0, 180, 10))
    assert receiver.connections == len(receiver.requests) == 3


def test_a_restart_goes_on_where_the_samples_end(receiver, target, guest):
    minute(guest, 0)
    turn_at(75)
    sending._known.clear()

    minute(guest, 1)
    turn_at(135)

    assert [epoch - EPOCH for epoch, _ in receiver.of(CPU_SERIES)] == list(range(0, 120, 10))


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_guest_that_is_gone_ends_also_after_a_restart(receiver, target, guest, is_restarted):
    other = make_guest(guest.instance, 102)
    write(
        guest.instance_id, [instant(EPOCH + one, {guest.pk: {CPU: 50.0}, other.pk: {CPU: 25.0}}) for one in (0, 10)]
    )  # fmt: skip
    turn_at(75)
    if is_restarted:
        sending._known.clear()

    sampled(other, (60, 70), 25.0)
    turn_at(135)

    assert seconds_of(receiver.of(CPU_SERIES, vmid="101")) == [(0, 0.5), (10, 0.5), (60, "stale")]
    assert seconds_of(receiver.of(CPU_SERIES, vmid="102")) == [(0, 0.25), (10, 0.25), (60, 0.25), (70, 0.25)]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_guest_with_another_name_goes_on_with_its_figures(receiver, target, guest, is_restarted):
    minute(guest, 0)
    turn_at(75)
    if is_restarted:
        sending._known.clear()
    guest.node_name = "pve2"
    guest.save()
    minute(guest, 1)
    turn_at(135)
    minute(guest, 2)
    turn_at(195)

    assert [value for _, value in receiver.of(CPU_SERIES)] == [0.5] * 18
    assert seconds_of(receiver.of("pulse_guest_info", node="pve2")) == [(119, 1.0), (179, 1.0)]
    # What a process was told before its start is forgotten: an engine forgets the series after five minutes.
    ends = [] if is_restarted else [(119, "stale")]
    assert seconds_of(receiver.of("pulse_guest_info", node="pve1")) == [(59, 1.0), *ends]


def test_a_guest_that_is_gone_is_not_named_any_more(receiver, target, guest):
    other = make_guest(guest.instance, 102)
    minute(guest, 0)
    turn_at(75)
    sampled(other, (60, 70), 25.0)
    turn_at(135)

    assert seconds_of(receiver.of("pulse_guest_info", vmid="101")) == [(59, 1.0), (119, "stale")]
    assert seconds_of(receiver.of("pulse_guest_info", vmid="102")) == [(119, 1.0)]


def test_a_silent_instance_ends_and_begins_again(receiver, target, guest):
    minute(guest, 0)
    for second in range(75, 700, 10):
        turn_at(second)
    minute(guest, 11)
    turn_at(735)

    assert seconds_of(receiver.of(CPU_SERIES))[5:8] == [(50, 0.5), (60, "stale"), (660, 0.5)]


def test_one_silent_instance_does_not_hold_up_another(receiver, target, guest):
    other = make_guest(make_instance(), 201)
    turn_at(1)
    minute(other, 0)

    turn_at(75)

    assert len(receiver.of(CPU_SERIES, instance="pve-1")) == 6


def test_nothing_is_lost_or_sent_twice_while_the_engine_takes_nothing(receiver, target, guest):
    receiver.answers = [Answer(503)] * 3
    for number in range(5):
        minute(guest, number)
        for second in range(60 * number + 60, 60 * number + 120, 10):
            turn_at(second)
    turn_at(1000)

    found = seconds_of(receiver.of(CPU_SERIES))
    assert found == [*((second, 0.5) for second in range(0, 300, 10)), (300, "stale")]
    assert (row().failures, row().dropped_count, row().failure_message) == (0, 0, "")


def test_an_engine_that_takes_nothing_is_asked_seldom(receiver, target, guest):
    receiver.answers = [Answer(500)] * 1000
    minute(guest, 0)

    for second in range(75, 3675, 20):
        turn_at(second)

    assert 14 <= len(receiver.requests) <= 22
    assert row().failing_since == NOON + timedelta(seconds=75)
    assert row().failure_message == "the engine answers with 500"
    assert list(standing.told(at=NOON + timedelta(hours=1))) == [
        "samples are not written to victoria since 2026-01-01T12:01:15Z: the engine answers with 500"
    ]


def test_an_engine_that_is_not_there_is_asked_seldom_too(target, guest):
    RemoteWriteTarget.objects.update(url="http://127.0.0.1:1024/api/v1/write")
    minute(guest, 0)

    turn_at(75)

    assert row().failures == 1
    assert row().failure_message == "127.0.0.1:1024 refused the connection"
    assert timedelta(seconds=7) < row().next_try_at - (NOON + timedelta(seconds=75)) <= timedelta(seconds=10)


def test_an_engine_is_left_alone_for_as_long_as_it_asks(receiver, target, guest):
    receiver.answers = [Answer(429, headers={"Retry-After": "120"})]
    minute(guest, 0)
    turn_at(75)

    turn_at(190)
    assert len(receiver.requests) == 1
    turn_at(196)

    assert len(receiver.of(CPU_SERIES)) == 6


@pytest.fixture
def small_messages(monkeypatch):
    """Each message has one series of a minute."""
    monkeypatch.setattr(series, "MOST_SAMPLES", 6)


def four_guests(guest, *, number):
    """Write a minute of four guests."""
    guests = [guest, *(make_guest(guest.instance, vmid) for vmid in (102, 103, 104))]
    write(
        guest.instance_id,
        [
            instant(EPOCH + 60 * number + 10 * one, {each.pk: {CPU: 50.0} for each in guests})
            for one in range(6)
        ],
    )


@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_was_accepted_of_a_minute_is_not_sent_again(
    receiver, target, guest, small_messages, is_restarted
):
    receiver.answers = [Answer(), Answer(), Answer(503)]
    four_guests(guest, number=0)
    turn_at(75)
    if is_restarted:
        sending._known.clear()

    turn_at(100)

    assert len(receiver.taken) == 5
    assert [len(samples) for samples in receiver.series().values()] == [6, 6, 6, 6, 1, 1, 1, 1]
    assert RemoteWriteCursor.objects.get().accepted_count == 0


def test_what_is_refused_is_dropped_and_said_and_the_rest_is_sent(
    receiver, target, guest, small_messages, caplog
):
    receiver.answers = [Answer(), Answer(400, b"out of order sample")]
    four_guests(guest, number=0)
    with caplog.at_level(logging.WARNING, "monitoring"):
        turn_at(75)
    turn_at(100)

    assert len(receiver.requests) == 5
    assert (row().sent_count, row().dropped_count, row().failures) == (22, 6, 0)
    assert row().drop_reason == "the engine refuses samples (400): it has newer samples already"
    assert [record.getMessage() for record in caplog.records] == [
        "6 samples for victoria were dropped: the engine refuses samples (400): it has newer samples already"
    ]
    assert list(standing.told(at=NOON + timedelta(hours=23))) == [
        "samples for victoria were dropped, 6 so far: the engine refuses samples (400): it has newer samples already"
    ]
    assert list(standing.told(at=NOON + timedelta(days=2))) == []


def test_a_turn_ends_when_everything_is_refused(receiver, target, guest, small_messages):
    receiver.answers = [Answer(400)] * 100
    for number in range(8):
        minute(guest, number)

    turn_at(600)

    assert len(receiver.requests) == 5
    assert row().dropped_count == 20


def test_what_has_waited_for_two_hours_is_dropped_and_counted(receiver, target, guest):
    RemoteWriteTarget.objects.update(next_try_at=NOON)
    for number in range(125):
        minute(guest, number)

    turn_at(7500)

    kept = [epoch - EPOCH for epoch, _ in receiver.of(CPU_SERIES)]
    assert kept == list(range(300, 7440, 10))
    assert (row().dropped_count, row().drop_reason) == (30, "they have waited for two hours")


def test_an_hour_that_is_sealed_meanwhile_is_sent_all_the_same(receiver, target, guest):
    other = make_guest(guest.instance, 102)
    for number in range(62):
        minute(guest, number, cpu=number % 50)
    both = [{guest.pk: {CPU: 30.0}, other.pk: {CPU: 25.0}}] * 2 + [{guest.pk: {CPU: 30.0}}] * 4
    write(
        guest.instance_id, [instant(EPOCH + 1800 + 10 * place, figures) for place, figures in enumerate(both)]
    )
    for hour in sealing.closed_hours(guest.instance_id, at_epoch=EPOCH + 3800):
        sealing.seal(guest.instance_id, hour)
    assert HistoryBatch.objects.count() == 2

    turn_at(3800)

    found = seconds_of(receiver.of(CPU_SERIES, vmid="101"))
    assert [second for second, _ in found] == list(range(0, 3720, 10))
    assert found[0] == (0, 0.0)
    assert found[6 * 49] == (2940, pytest.approx(0.49))
    assert found[6 * 61] == (3660, pytest.approx(0.11))
    assert seconds_of(receiver.of(CPU_SERIES, vmid="102")) == [(1800, 0.25), (1810, 0.25), (1820, "stale")]


def test_old_minutes_of_a_sealed_hour_are_dropped_alone(receiver, target, guest):
    for number in range(60):
        minute(guest, number)
    sealing.seal(guest.instance_id, sealing.closed_hours(guest.instance_id, at_epoch=EPOCH + 7500)[0])

    turn_at(7500)

    assert seconds_of(receiver.of(CPU_SERIES))[0] == (300, 0.5)
    assert row().dropped_count == 30


def test_means_of_minutes_are_a_sixth_of_the_samples(receiver, guest):
    make_target(url=receiver.url, step_seconds=60)
    turn_at(0)
    for number, cpu in enumerate((10.0, 20.0)):
        minute(guest, number, cpu=cpu)

    turn_at(135)

    assert seconds_of(receiver.of(CPU_SERIES)) == [(50, pytest.approx(0.1)), (110, pytest.approx(0.2))]


def test_extra_labels_stand_at_every_series(receiver, guest):
    make_target(url=receiver.url, extra_labels={"site": "home"})
    turn_at(0)
    minute(guest, 0)

    turn_at(75)

    assert len(receiver.of(CPU_SERIES, site="home")) == 6


def test_a_name_of_a_host_is_a_value_and_nothing_else(receiver, target, guest):
    storage = make_storage(guest.instance, 'x"} 1\n\x00pulse_up{a="')
    write(guest.instance_id, [instant(EPOCH, {storage.pk: {DISK_USED: 4 << 20}}, Kind.STORAGE)])

    turn_at(75)

    (labels,) = receiver.series()
    assert dict(labels) == {
        "__name__": "pulse_storage_disk_used_bytes",
        "instance": "pve-0",
        "node": "pve1",
        "storage": 'x"} 1\n\N{REPLACEMENT CHARACTER}pulse_up{a="',
    }


def test_a_guest_whose_row_is_gone_holds_up_nothing(receiver, target, guest):
    write(guest.instance_id, [instant(EPOCH, {guest.pk: {CPU: 50.0}, 999: {CPU: 25.0}})])

    turn_at(75)

    assert {dict(labels)["vmid"] for labels in receiver.series()} == {"101"}


def test_a_target_that_is_off_gets_nothing(receiver, target, guest):
    targets.change(target.pk, Draft(is_enabled=False))
    minute(guest, 0)

    turn_at(75)
    targets.change(target.pk, Draft(is_enabled=True))
    turn_at(120)
    minute(guest, 2)
    turn_at(195)

    assert seconds_of(receiver.of(CPU_SERIES))[0] == (120, 0.5)


def test_who_holds_the_right_is_not_disturbed(receiver, target, guest):
    minute(guest, 0)
    store().take(f"remote-write:{target.pk}", b"somebody else", seconds=60)

    turn_at(75)

    assert receiver.requests == []


def test_what_a_turn_has_come_to_is_not_written_over_a_change(receiver, target, guest):
    before = RemoteWriteTarget.objects.get()
    targets.change(target.pk, Draft(url=receiver.url + "/other"))

    standing.record(standing.Turn(before, NOON, 0.0, sent=5))

    assert (row().sent_count, row().last_success_at) == (0, None)


def test_a_secret_that_cannot_be_opened_is_told(receiver, guest):
    make_target(url=receiver.url, token="not-a-real-token")
    RemoteWriteTarget.objects.update(sealed_token="v1.deadbeef.AAAA")

    turn_at(0)

    assert row().failure_message == "a stored secret was sealed with a key that is not in the key file"
    assert receiver.requests == []


def test_an_address_that_is_not_allowed_any_more_is_not_called(receiver, target, guest, loopback_is_refused):
    minute(guest, 0)

    turn_at(75)

    assert receiver.requests == []
    assert "is this machine itself" in row().failure_message


def test_a_removed_instance_leaves_nothing_behind(receiver, target, guest):
    minute(guest, 0)
    turn_at(75)
    Instance.objects.all().delete()

    turn_at(85)

    assert sending._known == {}
    assert RemoteWriteCursor.objects.count() == 0


def test_lag_is_the_age_of_what_waits(receiver, target, guest):
    receiver.answers = [Answer(503)]
    minute(guest, 0)
    turn_at(75)

    assert standing.lag_seconds(target, at=NOON + timedelta(seconds=300)) == 300


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(days=-1)])
def test_a_clock_that_is_set_back_holds_up_nothing(receiver, target, guest, step):
    receiver.answers = [Answer(503)] * 10
    for number in range(3):
        minute(guest, number)
        turn_at(60 * number + 75)
    receiver.answers = []

    now = int(step.total_seconds()) + 200
    turn_at(now)
    minute(guest, now // 60)
    turn_at(now + 75)

    assert seconds_of(receiver.of(CPU_SERIES))[-1][0] == now // 60 * 60 + 50


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(days=1)])
def test_a_clock_that_is_set_ahead_holds_up_nothing(receiver, target, guest, step):
    minute(guest, 0)
    turn_at(75)
    later = int(step.total_seconds()) // 60

    for second in (0, 10, 20):
        turn_at(60 * later + second)
    minute(guest, later)
    turn_at(60 * later + 75)

    assert [second for second, _ in seconds_of(receiver.of(CPU_SERIES))[-6:]] == list(
        range(60 * later, 60 * later + 60, 10)
    )

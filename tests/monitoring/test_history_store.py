"""Samples are kept by the minute, sealed by the hour, and read on a grid."""

from __future__ import annotations

import pytest

from monitoring.choices import SpanSource, Tier
from monitoring.history import compacting, reading, sampled, sealing, telling
from monitoring.history.metrics import CPU, MEMORY_USED, NETWORK_IN, Kind
from monitoring.models import HistoryBatch, HistoryBlock, HistorySpan
from tests.factories import make_instance
from tests.monitoring.history import MONDAY, instant, write, write_series

pytestmark = pytest.mark.django_db

HOUR = 3_600
DAY = 86_400


def cpu(instance, start, end, points, pk=7):
    """Return the CPU of one guest."""
    columns = reading.read(
        instance.pk, {Kind.GUEST: ([pk], [CPU])}, start_epoch=start, end_epoch=end, points=points
    )
    return columns, columns.series[Kind.GUEST, pk][CPU]


def test_samples_are_read_before_they_are_sealed():
    instance = make_instance()
    write_series(instance.pk, lambda epoch: epoch % 100 / 10, CPU, start=MONDAY, end=MONDAY + 120)

    columns, column = cpu(instance, MONDAY, MONDAY + 120, 12)

    assert columns.grid == (MONDAY, 10, 12)
    assert [round(mean, 1) for mean in column.means] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert column.lows == column.highs == column.means
    assert columns.resolution_seconds == 10


def test_sealing_an_hour_changes_nothing_of_what_is_read():
    instance = make_instance()
    write_series(instance.pk, lambda epoch: epoch // 10 % 7 * 10.0, CPU, start=MONDAY, end=MONDAY + HOUR)
    _, before = cpu(instance, MONDAY, MONDAY + HOUR, 360)

    assert sealing.closed_hours(instance.pk, at_epoch=MONDAY + HOUR + 119) == []
    assert sealing.closed_hours(instance.pk, at_epoch=MONDAY + HOUR + 120) == [MONDAY]
    assert sealing.seal(instance.pk, MONDAY) > 0

    _, after = cpu(instance, MONDAY, MONDAY + HOUR, 360)
    assert after == before
    assert not HistoryBatch.objects.exists()
    assert sealing.seal(instance.pk, MONDAY) == 0


def test_each_tier_has_minimum_maximum_and_mean():
    instance = make_instance()
    # In each minute five samples of 10 % and one of 40 %, in the first minute of each five one of 90 % instead.
    peaks = {0: 90.0, 1: 40.0, 2: 40.0, 3: 40.0, 4: 40.0}
    write_series(
        instance.pk,
        lambda epoch: peaks[epoch // 60 % 5] if epoch % 60 == 30 else 10.0,
        CPU,
        start=MONDAY,
        end=MONDAY + HOUR,
    )
    sealing.seal(instance.pk, MONDAY)

    columns, minutes = cpu(instance, MONDAY, MONDAY + HOUR, 60)
    assert columns.grid.step_seconds == 60
    assert [round(one, 1) for one in minutes.means[:6]] == [23.3, 15.0, 15.0, 15.0, 15.0, 23.3]
    assert [round(one) for one in minutes.highs[:6]] == [90, 40, 40, 40, 40, 90]
    assert [round(one) for one in minutes.lows[:6]] == [10] * 6

    _, fives = cpu(instance, MONDAY, MONDAY + HOUR, 12)
    assert [round(one, 1) for one in fives.means] == [16.7] * 12
    assert [round(one) for one in fives.highs] == [90] * 12

    _, hours = cpu(instance, MONDAY, MONDAY + HOUR, 1)
    assert [round(one, 1) for one in hours.means] == [16.7]
    assert (round(hours.lows[0]), round(hours.highs[0])) == (10, 90)


def test_what_is_not_known_is_a_gap():
    instance = make_instance()
    figures = {0: 10.0, 10: None, 20: 30.0}
    write_series(
        instance.pk, lambda epoch: figures.get(epoch - MONDAY, 50.0), CPU, start=MONDAY, end=MONDAY + 60
    )
    write_series(instance.pk, lambda epoch: 20.0, CPU, start=MONDAY + 240, end=MONDAY + 300)

    _, column = cpu(instance, MONDAY, MONDAY + 300, 30)
    sealing.seal(instance.pk, MONDAY)
    _, sealed = cpu(instance, MONDAY, MONDAY + 300, 30)
    _, minutes = cpu(instance, MONDAY, MONDAY + 300, 5)

    assert column.means[:4] == [10.0, None, 30.0, 50.0]
    assert column.means[6:24] == [None] * 18
    assert sealed == column
    assert [None if one is None else round(one, 1) for one in minutes.means] == [38.0, None, None, None, 20.0]


def test_a_sample_stands_until_the_next_one_when_polls_are_far_apart():
    instance = make_instance()
    write_series(instance.pk, lambda epoch: 10.0, CPU, start=MONDAY, end=MONDAY + 600, step=60)

    _, column = cpu(instance, MONDAY, MONDAY + 600, 60)

    assert column.means == [10.0] * 60


def test_polls_that_drift_leave_no_gap():
    instance = make_instance()
    epochs = [MONDAY + round(number * 10.7) for number in range(60)]
    write(instance.pk, [instant(epoch, {7: {CPU: 5.0}}) for epoch in epochs])

    _, column = cpu(instance, MONDAY, MONDAY + 640, 64)

    assert column.means == [5.0] * 64


def test_an_object_that_comes_within_the_minute_has_a_gap_before():
    instance = make_instance()
    write(
        instance.pk,
        [
            instant(MONDAY, {7: {CPU: 1.0}}),
            instant(MONDAY + 10, {7: {CPU: 2.0}, 9: {CPU: 3.0, NETWORK_IN: 1000}}),
        ],
    )
    sealing.seal(instance.pk, MONDAY)

    columns = reading.read(
        instance.pk,
        {Kind.GUEST: (None, [CPU, NETWORK_IN])},
        start_epoch=MONDAY,
        end_epoch=MONDAY + 20,
        points=2,
    )

    assert columns.series[Kind.GUEST, 7][CPU].means == [1.0, 2.0]
    assert columns.series[Kind.GUEST, 9][CPU].means == [None, 3.0]
    assert NETWORK_IN not in columns.series[Kind.GUEST, 7]
    assert columns.series[Kind.GUEST, 9][NETWORK_IN].means[0] is None
    assert columns.series[Kind.GUEST, 9][NETWORK_IN].means[1] == pytest.approx(1000, rel=0.01)


def test_samples_that_come_late_are_sealed_together_with_their_hour():
    instance = make_instance()
    write_series(instance.pk, lambda epoch: 10.0, CPU, start=MONDAY, end=MONDAY + 60)
    sealing.seal(instance.pk, MONDAY)
    # The clock was set back: one second is there twice, the others lie in between.
    write(instance.pk, [instant(MONDAY + second, {7: {CPU: 40.0}}) for second in (50, 55)])
    sealing.seal(instance.pk, MONDAY)

    _, column = cpu(instance, MONDAY, MONDAY + 60, 1)

    assert round(column.means[0], 1) == round((6 * 10 + 40) / 7, 1)
    assert round(column.highs[0]) == 40
    assert HistorySpan.objects.filter(tier=Tier.TEN_SECONDS).count() == 1


def test_a_seal_that_breaks_off_leaves_the_samples(monkeypatch):
    instance = make_instance()
    write_series(instance.pk, lambda epoch: 10.0, CPU, start=MONDAY, end=MONDAY + 120)

    def broken(*args, **kwargs):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(sealing, "add", broken)
        with pytest.raises(RuntimeError):
            sealing.seal(instance.pk, MONDAY)
    assert HistoryBatch.objects.count() == 2
    assert not HistorySpan.objects.exists()
    sealing.seal(instance.pk, MONDAY)

    _, column = cpu(instance, MONDAY, MONDAY + 120, 2)
    assert column.means == [10.0, 10.0]


def test_a_batch_that_cannot_be_read_costs_its_minute_alone(caplog):
    instance = make_instance()
    write_series(instance.pk, lambda epoch: 10.0, CPU, start=MONDAY, end=MONDAY + 180)
    HistoryBatch.objects.filter(start_epoch=MONDAY + 60).update(body=b"\x00rubbish", means=b"")

    _, before = cpu(instance, MONDAY, MONDAY + 180, 3)
    sealing.seal(instance.pk, MONDAY)
    _, after = cpu(instance, MONDAY, MONDAY + 180, 3)

    assert before.means == after.means == [10.0, None, 10.0]
    assert "is lost" in caplog.text


def test_a_closed_day_becomes_one_span_and_four_quarters():
    instance = make_instance()
    for hour in range(24):
        start = MONDAY + hour * HOUR
        write_series(
            instance.pk, lambda epoch: 10.0 + (epoch - MONDAY) // HOUR, CPU, start=start, end=start + 60
        )
        sealing.seal(instance.pk, start)

    assert compacting.compact(instance.pk, at_epoch=MONDAY + DAY + HOUR - 1) == 0
    assert compacting.compact(instance.pk, at_epoch=MONDAY + DAY + HOUR) == 1
    assert compacting.compact(instance.pk, at_epoch=MONDAY + DAY + HOUR) == 0

    columns, hours = cpu(instance, MONDAY, MONDAY + DAY, 24)
    assert columns.grid.step_seconds == HOUR
    assert [round(one) for one in hours.means] == list(range(10, 34))
    _, quarters = cpu(instance, MONDAY, MONDAY + DAY, 4)
    assert [round(one, 1) for one in quarters.means] == [12.5, 18.5, 24.5, 30.5]
    assert [round(one) for one in quarters.highs] == [15, 21, 27, 33]
    spans = HistorySpan.objects.filter(tier=Tier.HOUR, source=SpanSource.OWN)
    assert [(one.start_epoch, one.end_epoch) for one in spans] == [(MONDAY, MONDAY + DAY)]


def test_a_closed_month_becomes_one_span():
    instance = make_instance()
    month = 1_764_547_200  # 2025-12-01
    for day in range(31):
        start = month + day * DAY
        write_series(
            instance.pk, lambda epoch: float((epoch - month) // DAY), CPU, start=start, end=start + 60
        )
        sealing.seal(instance.pk, start)
        compacting.compact(instance.pk, at_epoch=start + DAY + HOUR)

    compacting.compact(instance.pk, at_epoch=month + 32 * DAY)

    spans = HistorySpan.objects.filter(tier=Tier.SIX_HOURS)
    assert [(one.start_epoch, one.end_epoch) for one in spans] == [(month, month + 31 * DAY)]
    _, column = cpu(instance, month, month + 31 * DAY, 124)
    assert [None if one is None else round(one) for one in column.means[:5]] == [0, None, None, None, 1]
    assert round(column.means[120]) == 30


def test_a_range_is_filled_from_all_tiers_and_the_minute_in_memory():
    instance = make_instance()
    for start in (MONDAY, MONDAY + HOUR):
        write_series(instance.pk, lambda epoch: 10.0, CPU, start=start, end=start + HOUR)
        sealing.seal(instance.pk, start)
    write_series(instance.pk, lambda epoch: 20.0, CPU, start=MONDAY + 2 * HOUR, end=MONDAY + 2 * HOUR + 1800)
    # Of the first hour only the coarsest tier is left.
    old = HistorySpan.objects.filter(start_epoch=MONDAY).exclude(tier=Tier.HOUR)
    HistoryBlock.objects.filter(span_id__in=list(old.values_list("pk", flat=True))).delete()
    old.delete()
    head = tuple(instant(MONDAY + 2 * HOUR + 1800 + second, {7: {CPU: 30.0}}) for second in range(0, 60, 10))

    columns = reading.read(
        instance.pk,
        {Kind.GUEST: ([7], [CPU])},
        start_epoch=MONDAY,
        end_epoch=MONDAY + 3 * HOUR,
        points=180,
        head=head,
    )

    column = columns.series[Kind.GUEST, 7][CPU]
    assert columns.grid.step_seconds == 60
    assert [round(one) for one in column.means[:120]] == [10] * 120
    assert [round(one) for one in column.means[120:150]] == [20] * 30
    assert round(column.means[150]) == 30
    assert column.means[151:] == [None] * 29
    assert columns.resolution_seconds == HOUR


def test_all_guests_are_read_as_one_is():
    instance = make_instance()
    figures = {pk: {CPU: pk / 10, MEMORY_USED: pk << 30} for pk in range(1, 100)}
    write(instance.pk, [instant(MONDAY + second, figures) for second in range(0, HOUR, 10)])
    sealing.seal(instance.pk, MONDAY)
    write(instance.pk, [instant(MONDAY + HOUR + second, figures) for second in range(0, 120, 10)])

    every = reading.read(
        instance.pk,
        {Kind.GUEST: (None, [CPU, MEMORY_USED])},
        start_epoch=MONDAY,
        end_epoch=MONDAY + HOUR + 120,
        points=62,
    )
    _, one = cpu(instance, MONDAY, MONDAY + HOUR + 120, 62, pk=42)

    assert len(every.series) == 99
    assert every.series[Kind.GUEST, 42][CPU].means == one.means
    assert [round(mean, 1) for mean in one.means] == [4.2] * 62


def test_samples_are_the_same_before_and_after_they_are_sealed():
    instance = make_instance()
    write(
        instance.pk,
        [
            instant(MONDAY + second, {7: {CPU: second / 10}, 9: {MEMORY_USED: 1 << 30}})
            for second in (0, 10, 60)
        ],
    )

    before = list(sampled.samples(instance.pk, start_epoch=MONDAY + 5, end_epoch=MONDAY + 61))
    sealing.seal(instance.pk, MONDAY)
    after = list(sampled.samples(instance.pk, start_epoch=MONDAY + 5, end_epoch=MONDAY + 61))

    assert [(one.epoch - MONDAY, one.kind, one.pks) for one in before] == [
        (10, Kind.GUEST, [7, 9]),
        (60, Kind.GUEST, [7, 9]),
    ]
    assert before[1].figures == {CPU: [6.0, None], MEMORY_USED: [None, 1 << 30]}
    assert after == before


def test_what_proxmox_told_fills_gaps_and_nothing_else():
    instance = make_instance()
    write_series(instance.pk, lambda epoch: 20.0, CPU, start=MONDAY + HOUR, end=MONDAY + HOUR + 600)
    write_series(instance.pk, lambda epoch: 20.0, CPU, start=MONDAY + HOUR + 1200, end=MONDAY + 2 * HOUR)
    sealing.seal(instance.pk, MONDAY + HOUR)
    epochs = list(range(MONDAY, MONDAY + 2 * HOUR, 60))
    told = telling.ToldSeries(Kind.GUEST, 7, epochs, [60] * len(epochs), {CPU: [50.0] * len(epochs)})

    assert telling.keep_told(instance.pk, [told]) > 120
    assert telling.keep_told(instance.pk, [told]) == 0

    columns, column = cpu(instance, MONDAY, MONDAY + 2 * HOUR, 120)
    assert [round(one) for one in column.means[:60]] == [50] * 60
    assert [round(one) for one in column.means[60:70]] == [20] * 10
    assert [round(one) for one in column.means[70:80]] == [50] * 10
    assert [round(one) for one in column.means[80:]] == [20] * 40
    assert column.lows[0] is None
    assert round(column.lows[60]) == 20
    assert columns.told == ((MONDAY, MONDAY + HOUR), (MONDAY + HOUR + 600, MONDAY + HOUR + 1200))


def test_records_of_all_widths_fill_every_tier():
    instance = make_instance()
    start = MONDAY - 400 * DAY

    def records(width, days):
        epochs = list(range(MONDAY - days * DAY, MONDAY, width))
        return telling.ToldSeries(Kind.GUEST, 7, epochs, [width] * len(epochs), {CPU: [10.0] * len(epochs)})

    telling.keep_told(instance.pk, [records(60, 1), records(1800, 30), records(6 * HOUR, 365)])

    for days, points in ((1, 1440), (7, 1008), (30, 720), (90, 360), (365, 1460)):
        columns, column = cpu(instance, MONDAY - days * DAY, MONDAY, points)
        assert column.means == [10.0] * points, days
    columns, column = cpu(instance, start, MONDAY, 400)
    assert column.means == [None] * 35 + [10.0] * 365
    assert columns.resolution_seconds == 6 * HOUR


def test_another_object_of_the_same_block_is_told_of_later():
    instance = make_instance()
    for pk, first in ((7, MONDAY), (9, MONDAY + 120)):
        epochs = list(range(first, MONDAY + 300, 60))
        told = telling.ToldSeries(
            Kind.GUEST, pk, epochs, [60] * len(epochs), {CPU: [float(pk)] * len(epochs)}
        )
        telling.keep_told(instance.pk, [told])

    _, seven = cpu(instance, MONDAY, MONDAY + 300, 5)
    _, nine = cpu(instance, MONDAY, MONDAY + 300, 5, pk=9)

    assert seven.means == [7.0] * 5
    assert nine.means == [None, None, 9.0, 9.0, 9.0]


def test_many_objects_in_fine_steps_are_read_sample_by_sample():
    instance = make_instance()
    every = [{pk: {CPU: second / 10 + pk} for pk in range(1, 21)} for second in range(0, 60, 10)]
    write(instance.pk, [instant(MONDAY + 10 * place, figures) for place, figures in enumerate(every)])

    columns = reading.read(
        instance.pk, {Kind.GUEST: (None, [CPU])}, start_epoch=MONDAY, end_epoch=MONDAY + 60, points=6
    )

    assert columns.series[Kind.GUEST, 20][CPU].means == [20.0, 21.0, 22.0, 23.0, 24.0, 25.0]

"""From what a host has kept to points of the history: percent, windows, rates, and what no host can know."""

from __future__ import annotations

import pytest

from monitoring.history import metrics
from monitoring.history.backfill import frames
from monitoring.history.backfill.frames import Frame
from monitoring.history.backfill.told import Window, rates_of, sampled_series, series_of
from monitoring.history.metrics import Kind
from nodes.proxmox.readings.records import ExportedReading, RecordsReading, SamplesReading

AT = 1_785_168_000
#: Everything up to an hour after.
HOUR = Window(AT, AT + 3_600, AT + 3_600)


def records(starts, width=60, **series):
    """A reading whose rows begin so many seconds after the hour."""
    return RecordsReading(
        tuple(AT + start for start in starts),
        tuple([width] * len(starts)),
        {name: tuple(values) for name, values in series.items()},
    )


def samples(*pairs):
    """Samples at so many seconds after the hour."""
    return SamplesReading(tuple(AT + at for at, _ in pairs), tuple(float(value) for _, value in pairs))


def test_ratios_become_percent_and_the_rest_stays():
    told = series_of(Kind.GUEST, 7, records([0, 60], cpu_ratio=[0.5, None], memory_used_bytes=[9, 8]), HOUR)

    assert (told.kind, told.pk) == (Kind.GUEST, 7)
    assert (told.epochs, told.width_seconds) == ([AT, AT + 60], [60, 60])
    assert told.values == {metrics.CPU: [50.0, None], metrics.MEMORY_USED: [9.0, 8.0]}


def test_what_is_not_kept_of_a_kind_is_left_out():
    assert series_of(Kind.STORAGE, 7, records([0], cpu_ratio=[0.5]), HOUR) is None


def test_rows_of_which_nothing_is_told_are_no_points():
    assert series_of(Kind.NODE, 7, records([0, 60], cpu_ratio=[None, None]), HOUR) is None


@pytest.mark.parametrize(
    ("start", "is_held"),
    [(-120, False), (-60, False), (-30, True), (0, True), (3_540, True), (3_570, False), (3_600, False)],
    ids=["long before", "up to the beginning", "across it", "the first", "the last", "not over yet", "after"],
)
def test_points_are_those_of_the_window_and_over(start, is_held):
    told = series_of(Kind.NODE, 7, records([start], cpu_ratio=[0.5]), HOUR)

    assert (told is not None) is is_held


def test_points_that_are_closer_than_any_round_are_not_believed():
    assert series_of(Kind.NODE, 7, records([0, 9], width=9, cpu_ratio=[0.5, 0.5]), HOUR) is None


def test_rates_are_those_between_two_samples():
    rates = rates_of(samples((0, 100), (10, 300), (20, 300)), None)

    assert rates == {AT + 10: 20.0, AT + 20: 0.0}


RATES = {
    "a total that fell": (((0, 500), (10, 100), (20, 200)), ((0, 5), (10, 15), (20, 25)), [None, 10.0]),
    "a guest that began anew": (((0, 100), (10, 200), (20, 300)), ((0, 90), (10, 3), (20, 13)), [None, 10.0]),
    "0 while the uptime goes on was not told": (
        ((0, 100), (10, 0), (20, 0), (30, 400), (40, 500)),
        ((0, 5), (10, 15), (20, 25), (30, 35), (40, 45)),
        [None, None, None, 10.0],
    ),
    "a gap of more than three rounds": (((0, 100), (40, 200), (50, 300)), ((0, 5), (40, 45), (50, 55)), [None, 10.0]),
    "faster than anything": (((0, 0), (10, 1e15)), ((0, 5), (10, 15)), [1e12]),
}  # fmt: skip


@pytest.mark.parametrize(("totals", "uptimes", "expected"), RATES.values(), ids=RATES)
def test_a_rate_that_is_not_known_is_none(totals, uptimes, expected):
    assert list(rates_of(samples(*totals), samples(*uptimes)).values()) == expected


def test_samples_are_of_the_ten_seconds_in_which_they_were_taken():
    told = sampled_series(
        Kind.GUEST,
        7,
        ExportedReading(
            kind="lxc",
            name="100",
            samples={"cpu_ratio": samples((3, 0.1), (13, 0.2)), "disk_used_bytes": samples((3, 5), (13, 5))},
            totals={"network_in_bytes": samples((3, 100), (13, 300))},
        ),
        HOUR,
    )

    assert (told.epochs, told.width_seconds) == ([AT, AT + 10], [10, 10])
    assert told.values == {
        metrics.CPU: [10.0, 20.0],
        metrics.DISK_USED: [5.0, 5.0],
        metrics.NETWORK_IN: [None, 20.0],
    }


def test_what_a_machine_tells_of_its_disk_is_left_out():
    reading = ExportedReading(
        kind="qemu",
        name="100",
        samples={"cpu_ratio": samples((0, 0.1)), "disk_total_bytes": samples((0, 5))},
    )

    assert set(sampled_series(Kind.GUEST, 7, reading, HOUR).values) == {metrics.CPU}


def test_samples_from_outside_of_the_window_are_left_out():
    reading = ExportedReading(
        kind="node", name="pve1", samples={"cpu_ratio": samples((-10, 0.1), (0, 0.2), (3_600, 0.3))}
    )

    assert sampled_series(Kind.NODE, 7, reading, HOUR).epochs == [AT]


DAY = 86_400
NEEDED = {
    "everything": (frames.NEW, None, ["day", "month", "year"]),
    "an hour of PVE 9": (frames.NEW, 3_600, ["day"]),
    "two days of PVE 9": (frames.NEW, 2 * DAY, ["day", "month"]),
    "an hour of PVE 8": (frames.OLD, 3_600, ["hour"]),
    "two hours of PVE 8": (frames.OLD, 7_200, ["hour", "day"]),
    "a week of PVE 8": (frames.OLD, 7 * DAY, ["hour", "day", "week"]),
    "more than there is": (frames.WITH_DECADE, 10_000 * DAY, ["day", "month", "year", "decade"]),
}


@pytest.mark.parametrize(("known", "ago", "expected"), NEEDED.values(), ids=NEEDED)
def test_no_more_timeframes_are_read_than_a_span_needs(known, ago, expected):
    start = None if ago is None else AT - ago

    found = frames.needed(known, start_epoch=start, now_epoch=AT)

    assert [frame.name for frame in found] == expected
    assert all(isinstance(frame, Frame) for frame in found)

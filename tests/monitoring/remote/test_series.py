"""Samples of an instance as time series: which there are, in which order, and where they end."""

from __future__ import annotations

import pytest

from monitoring.exporting.labels import guest_labels, storage_labels
from monitoring.exporting.remote.blocks import Block, means_of, merged
from monitoring.exporting.remote.series import Known, TimeSeries, requests, time_series
from monitoring.history.metrics import CPU, DISK_TOTAL, DISK_USED, MEMORY_USED, PRESSURE_IO_FULL, Kind
from tests.monitoring.remote.reading import decoded

WEB, DATABASE, LOCAL = (Kind.GUEST, 1), (Kind.GUEST, 2), (Kind.STORAGE, 1)
NAMES = {
    WEB: guest_labels("pve-0", 101, "qemu"),
    DATABASE: guest_labels("pve-0", 102, "lxc"),
    LOCAL: storage_labels("pve-0", "local", "pve1"),
}


def blocks_of(samples):
    """Return samples, each a kind with one instant of it, kind by kind."""
    return [
        (kind, merged([block for other, block in samples if other is kind]))
        for kind in dict.fromkeys(kind for kind, _ in samples)
    ]


def sent(samples, known=None, names=NAMES, *, as_means=False):
    """Return what is sent, as `name{labels}` to (seconds, value), and what is known afterwards."""
    after = Known()
    blocks = [(kind, means_of(block) if as_means else block) for kind, block in blocks_of(samples)]
    series = time_series(blocks, names, known or Known(), after, start_epoch=0)
    found = {}
    for labels, values in decoded(b"".join(one.body for one in series)):
        (_, name), *others = labels
        key = f"{name}{{{','.join(f'{label}={value}' for label, value in others)}}}"
        assert key not in found
        found[key] = [(epoch // 1000, value) for epoch, value in values]
    return found, after


def guests(epoch, figures, pks=(1, 2)):
    """Return a sample of guests."""
    return Kind.GUEST, Block([epoch], pks, {metric: [row] for metric, row in figures.items()})


WEB_CPU = "pulse_guest_cpu_ratio{instance=pve-0,kind=qemu,vmid=101}"
DATABASE_CPU = "pulse_guest_cpu_ratio{instance=pve-0,kind=lxc,vmid=102}"


def test_each_series_has_its_samples_in_the_order_of_time():
    samples = [guests(20, {CPU: [25.0, 4.0]}), guests(10, {CPU: [50.0, 8.0]})]

    found, _ = sent(samples)

    assert found == {WEB_CPU: [(10, 0.5), (20, 0.25)], DATABASE_CPU: [(10, 0.08), (20, 0.04)]}


def test_labels_of_a_metric_are_sorted_among_those_of_its_object():
    found, _ = sent([guests(10, {PRESSURE_IO_FULL: [1.0, None]})])

    assert found == {
        "pulse_guest_pressure_ratio{instance=pve-0,kind=qemu,resource=io,share=full,vmid=101}": [(10, 0.01)]
    }


def test_objects_of_several_kinds_are_told_apart():
    samples = [
        guests(10, {MEMORY_USED: [1.0, 2.0]}),
        (Kind.STORAGE, Block([10], (1,), {DISK_USED: [[7.0]], DISK_TOTAL: [[9.0]]})),
    ]

    found, _ = sent(samples)

    assert found == {
        "pulse_guest_memory_used_bytes{instance=pve-0,kind=qemu,vmid=101}": [(10, 1.0)],
        "pulse_guest_memory_used_bytes{instance=pve-0,kind=lxc,vmid=102}": [(10, 2.0)],
        "pulse_storage_disk_used_bytes{instance=pve-0,node=pve1,storage=local}": [(10, 7.0)],
        "pulse_storage_disk_total_bytes{instance=pve-0,node=pve1,storage=local}": [(10, 9.0)],
    }


def test_what_was_never_known_is_not_sent_and_never_zero():
    found, after = sent([guests(10, {CPU: [None, None]})])

    assert found == {}
    assert sent([], after) == ({}, {})


def test_a_figure_that_is_not_known_any_more_ends_its_series_there():
    samples = [
        guests(epoch, {CPU: [cpu, 4.0]}) for epoch, cpu in ((10, 50.0), (20, None), (30, None), (40, 25.0))
    ]

    found, _ = sent(samples)

    assert found[WEB_CPU] == [(10, 0.5), (20, "stale"), (40, 0.25)]
    assert found[DATABASE_CPU] == [(10, 0.04), (20, 0.04), (30, 0.04), (40, 0.04)]


def test_a_guest_that_is_gone_within_a_span_ends_at_the_first_instant_without_it():
    samples = [guests(10, {CPU: [50.0, 8.0]}), guests(20, {CPU: [8.0]}, pks=(2,))]

    found, _ = sent(samples)

    assert found == {WEB_CPU: [(10, 0.5), (20, "stale")], DATABASE_CPU: [(10, 0.08), (20, 0.08)]}


def test_a_guest_that_is_gone_with_the_next_span_ends_at_its_first_instant():
    _, known = sent([guests(50, {CPU: [50.0, 8.0], MEMORY_USED: [1.0, None]})])

    found, after = sent([guests(60, {CPU: [8.0]}, pks=(2,)), guests(70, {CPU: [8.0]}, pks=(2,))], known)

    assert found == {
        WEB_CPU: [(60, "stale")],
        "pulse_guest_memory_used_bytes{instance=pve-0,kind=qemu,vmid=101}": [(60, "stale")],
        DATABASE_CPU: [(60, 0.08), (70, 0.08)],
    }
    assert set(after) == {DATABASE}


def test_a_metric_that_is_not_known_any_more_with_the_next_span_ends_at_its_first_instant():
    _, known = sent([guests(50, {CPU: [50.0, 8.0]})])

    found, after = sent([guests(60, {MEMORY_USED: [1.0, None]})], known)

    assert found == {
        "pulse_guest_memory_used_bytes{instance=pve-0,kind=qemu,vmid=101}": [(60, 1.0)],
        WEB_CPU: [(60, "stale")],
        DATABASE_CPU: [(60, "stale")],
    }
    assert sent([guests(70, {MEMORY_USED: [1.0, None]})], after)[0].keys() == {
        "pulse_guest_memory_used_bytes{instance=pve-0,kind=qemu,vmid=101}"
    }


def test_a_span_without_samples_ends_everything_once():
    _, known = sent([guests(50, {CPU: [50.0, 8.0]})])

    found, after = sent([], known)

    assert found == {WEB_CPU: [(0, "stale")], DATABASE_CPU: [(0, "stale")]}
    assert sent([], after) == ({}, {})


def test_a_guest_that_goes_on_has_no_end_between_two_spans():
    _, known = sent([guests(50, {CPU: [50.0, 8.0]})])

    found, _ = sent([guests(60, {CPU: [25.0, 8.0]})], known)

    assert found == {WEB_CPU: [(60, 0.25)], DATABASE_CPU: [(60, 0.08)]}


def test_an_object_with_other_labels_ends_under_its_former_ones():
    _, known = sent([guests(50, {CPU: [50.0, 8.0]})])
    names = {**NAMES, WEB: {**NAMES[WEB], "site": "home"}}

    found, _ = sent([guests(60, {CPU: [25.0, 8.0]})], known, names)

    assert found == {
        WEB_CPU: [(60, "stale")],
        "pulse_guest_cpu_ratio{instance=pve-0,kind=qemu,site=home,vmid=101}": [(60, 0.25)],
        DATABASE_CPU: [(60, 0.08)],
    }


def test_an_object_whose_row_is_gone_is_left_out():
    found, after = sent([guests(10, {CPU: [50.0, 8.0]}, pks=(1, 99))])

    assert found == {WEB_CPU: [(10, 0.5)]}
    assert set(after) == {WEB}


def test_means_of_a_minute_leave_out_what_is_not_known_and_stand_at_its_last_instant():
    samples = [
        guests(epoch, {CPU: [web, database]})
        for epoch, web, database in ((10, 50.0, None), (20, None, None), (30, 25.0, None), (60, 75.0, 8.0))
    ]
    _, known = sent([guests(0, {CPU: [50.0, 8.0]})])

    found, _ = sent(samples, known, as_means=True)

    assert found == {WEB_CPU: [(30, 0.375), (60, 0.75)], DATABASE_CPU: [(30, "stale"), (60, 0.08)]}


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(1500, 10, [1500] * 3), (1000, 10, [2000, 1000]), (1, 600_000, [1, 1, 1]), (3000, 10, [3000] * 3)],
    ids=["too many together", "as many as may be", "too large together", "one that is too large by itself"],
)
def test_messages_are_bounded_in_samples_and_bytes(count, size, expected):
    messages = requests([TimeSeries(b"x" * size, count)] * 3)

    assert [message.sample_count for message in messages] == expected


def test_the_same_samples_make_the_same_messages():
    samples = [guests(10, {CPU: [50.0, None], MEMORY_USED: [1.0, 2.0]}), guests(20, {CPU: [50.0, 1.0]})]

    bodies = [
        [
            one.body
            for one in requests(time_series(blocks_of(samples), NAMES, Known(), Known(), start_epoch=0))
        ]
        for _ in range(2)
    ]

    assert bodies[0] == bodies[1]

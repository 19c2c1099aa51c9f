"""Series as JSON text and as tables."""

from __future__ import annotations

import json

import pytest

from monitoring.api.series import (
    FOUR_DIGITS,
    MOST_ARRAYS,
    NAMES_OF,
    WHOLE,
    PointWriter,
    array,
    column_of,
    means_of,
    shares,
)
from monitoring.api.sheets import file_name, harmless, sheet
from monitoring.history.columns import Column, Grid
from monitoring.history.metrics import CPU, DISK_TOTAL, DISK_USED, METRICS, Kind
from monitoring.wire.metrics import WIRE_METRICS

#: 2026-01-01T12:00:00Z
NOON = 1_767_268_800
GIB = 1 << 30


def test_every_kept_metric_has_a_name_on_the_wire():
    kept = {metric.name for metrics in METRICS.values() for metric in metrics}

    assert kept == {source for metric in WIRE_METRICS.values() for source in metric.sources}


def test_the_metrics_of_a_storage_are_its_use():
    assert set(NAMES_OF[Kind.STORAGE]) == {"disk", "diskUsed", "diskTotal"}


def test_a_share_is_computed_bucket_by_bucket():
    assert shares([1.0, None, 3.0, 4.0], [4.0, 4.0, None, 0.0]) == [25.0, None, None, None]
    assert shares([1.0, None, 3.0], [4.0, 4.0, 4.0]) == [25.0, None, 75.0]
    assert shares([1.0, 1.0], [4.0, 8.0]) == [25.0, 12.5]


def test_what_the_steps_of_both_figures_add_makes_nothing_fuller_than_full():
    assert shares([101.0, 101.0], [100.0, 100.0]) == [100.0, 100.0]
    assert shares([101.0, 50.0], [100.0, 50.0]) == [100.0, 100.0]


def test_the_extremes_of_a_share_are_those_of_what_is_used():
    kept = {
        DISK_USED: Column([50.0, 60.0], [40.0, None], [70.0, None]),
        DISK_TOTAL: Column([100.0, 100.0], [100.0, None], [100.0, None]),
    }

    assert means_of("disk", kept) == [50.0, 60.0]
    assert column_of("disk", kept) == Column([50.0, 60.0], [40.0, None], [70.0, None])


def test_a_share_without_its_total_is_not_known():
    kept = {DISK_USED: Column([50.0], [50.0], [50.0])}

    assert means_of("disk", kept) is column_of("disk", kept) is None
    assert means_of("cpu", kept) is None


@pytest.mark.parametrize(
    ("values", "form", "text"),
    [
        ([4.7, 100.0, 0.0], FOUR_DIGITS, "[4.7,100,0]"),
        ([33.333333, 0.1 + 0.2], FOUR_DIGITS, "[33.33,0.3]"),
        ([1500.4, 20480.5], WHOLE, "[1500,20480]"),
        ([5e15, 0.4], WHOLE, "[5000000000000000,0]"),
        ([None, 4.7, None], FOUR_DIGITS, "[null,4.7,null]"),
        ([None, None], FOUR_DIGITS, "[null,null]"),
        ([], FOUR_DIGITS, "[]"),
    ],
)
def test_an_array_has_few_digits_and_null_for_a_gap(values, form, text):
    assert array(values, form) == text
    json.loads(text)


def points_of(writer, texts):
    """Return seconds since noon and value of each point that is written."""
    return [(point["timestamp"] // 1000 - NOON, point["value"]) for point in json.loads(writer.text(texts))]


@pytest.mark.parametrize(
    ("texts", "points"),
    [
        (["1", "2", "3", "4"], [(0, 1), (10, 2), (20, 3), (30, 4)]),
        (["1", "null", "3", "4"], [(0, 1), (20, 3), (30, 4)]),
        (["null", "2", "3", "null"], [(10, 2), (20, 3)]),
        (["null", "2", "null", "4.5"], [(10, 2), (30, 4.5)]),
        (["null", "null", "null", "null"], []),
    ],
    ids=["none", "within", "at both ends", "here and there", "all"],
)
def test_points_leave_out_gaps(texts, points):
    templates = [f'{{"timestamp":{epoch}000,"value":%s}}' for epoch in Grid(NOON, 10, 4).epochs]
    writer = PointWriter(templates)

    assert points_of(writer, texts) == points
    assert points_of(writer, texts) == points


def test_numbers_may_be_written_together_with_their_points():
    writer = PointWriter([f'{{"timestamp":{epoch}000,"value":%s}}' for epoch in Grid(NOON, 10, 2).epochs])

    assert points_of_numbers(writer, [1 / 3, 20], FOUR_DIGITS) == [0.3333, 20]
    assert points_of_numbers(writer, [1500.4, 20], WHOLE) == [1500, 20]


def points_of_numbers(writer, values, form):
    return [point["value"] for point in json.loads(writer.text(values, form))]


def test_templates_of_many_kinds_of_gaps_do_not_fill_the_memory():
    size = 200
    writer = PointWriter([f'{{"timestamp":{epoch}000,"value":%s}}' for epoch in Grid(NOON, 10, size).epochs])

    for first in range(size):
        assert len(json.loads(writer.text(["null"] * first + ["1"] * (size - first)))) == size - first

    assert len(writer._arrays) <= MOST_ARRAYS


def test_a_table_has_a_line_for_each_bucket_and_empty_cells_for_gaps():
    series = {"cpu": Column([4.7, None], [1.0, None], [9.3, None])}

    assert sheet("lab-pve1-100", "", Grid(NOON, 60, 2), series) == (
        "time,resource,part,cpu,cpu_low,cpu_high\r\n"
        "2026-01-01T12:00:00Z,lab-pve1-100,,4.7,1,9.3\r\n"
        "2026-01-01T12:01:00Z,lab-pve1-100,,,,\r\n"
    )


def test_a_table_without_series_still_has_its_times():
    assert sheet("x", "pool:tank", Grid(NOON, 60, 1), {}) == (
        "time,resource,part\r\n2026-01-01T12:00:00Z,x,pool:tank\r\n"
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "|cmd", "%x"])
def test_no_cell_is_a_formula(text):
    assert harmless(text) == "'" + text


def test_a_cell_with_separators_stays_one_cell():
    text = sheet('a",b\r\n=c', "", Grid(NOON, 60, 1), {})

    assert text.splitlines()[1:] == ['2026-01-01T12:00:00Z,"a"",b', '=c",']


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("lab-pve1-100", ""), "lab-pve1-100.csv"),
        (("lab-pve1-100", "filesystem:/var"), "lab-pve1-100-filesystem-var.csv"),
        (('../../etc/"\r\nX: y', ""), "etc-X-y.csv"),
        (("\u00fcber \u2603", ""), "ber.csv"),
        (("\u2603", ""), "history.csv"),
        (("x" * 400, ""), "x" * 100 + ".csv"),
    ],
)
def test_the_name_of_a_file_is_made_of_harmless_letters(words, name):
    assert file_name(*words) == name


def test_cpu_is_kept_of_guests_under_the_name_of_the_contract():
    assert means_of("cpu", {CPU: Column([4.7], [4.7], [4.7])}) == [4.7]

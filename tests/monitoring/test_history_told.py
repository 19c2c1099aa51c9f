"""What Proxmox's own records told, on its way into the tiers and into blocks with what is there already."""

from __future__ import annotations

import pytest

from monitoring.choices import SpanSource, Tier
from monitoring.history import blocks, telling
from monitoring.history.blocks import Aspect
from monitoring.history.metrics import CPU, MEMORY_USED, NETWORK_IN, Kind
from monitoring.history.scales import UNKNOWN
from monitoring.history.told_lines import ToldSeries, lines_of
from monitoring.models import HistoryBlock, HistorySpan
from tests.factories import make_instance
from tests.monitoring.history import MONDAY

HOUR = 3_600


def told(start, width, *, pk=64, **values):
    """Records of a guest: rows of one width that begin so many seconds after Monday, of CPU unless other metrics are named."""
    metrics = {"cpu": CPU, "memory": MEMORY_USED, "network": NETWORK_IN}
    columns = {metrics[name]: column for name, column in values.items()}
    size = len(next(iter(columns.values())))
    epochs = [MONDAY + start + width * number for number in range(size)]
    return ToldSeries(Kind.GUEST, pk, epochs, [width] * size, columns)


def cpu_of(line):
    """The codes of CPU, each by the seconds after Monday."""
    return {epoch - MONDAY: code for epoch, code in zip(line.epochs, line.columns[CPU.code], strict=True)}


# --- Tiers ------------------------------------------------------------------------------------------------------------


def test_rows_go_into_the_tier_of_their_width_and_their_means_into_wider_ones():
    lines = lines_of([told(0, 60, cpu=[1.0, 2.0, 3.0, 4.0, 5.0] * 12)])

    assert set(lines) == {Tier.MINUTE, Tier.FIVE_MINUTES, Tier.HOUR}
    assert cpu_of(lines[Tier.MINUTE])[240] == 50
    assert cpu_of(lines[Tier.FIVE_MINUTES]) == dict.fromkeys(range(0, 3600, 300), 30)
    assert cpu_of(lines[Tier.HOUR]) == {0: 30}
    assert lines[Tier.HOUR].widths == [3_600]


def test_a_bucket_that_is_filled_in_part_has_no_mean():
    lines = lines_of([told(120, 60, cpu=[1.0] * 8)])

    assert cpu_of(lines[Tier.FIVE_MINUTES]) == {300: 10}


def test_a_metric_that_is_unknown_for_more_than_a_tenth_of_a_bucket_has_no_mean_there():
    cpu = [1.0] * 4 + [None] + [1.0] * 5
    lines = lines_of([told(0, 60, cpu=cpu, memory=[4 << 20] * 10)])

    assert cpu_of(lines[Tier.FIVE_MINUTES]) == {0: UNKNOWN, 300: 10}
    assert lines[Tier.FIVE_MINUTES].columns[MEMORY_USED.code] == [1, 1]


def test_one_missing_minute_of_an_hour_leaves_the_mean_of_the_others():
    lines = lines_of([told(0, 60, cpu=[1.0] * 30 + [None] + [1.0] * 29)])

    assert cpu_of(lines[Tier.HOUR]) == {0: 10}


def test_rows_of_which_nothing_is_told_are_no_points():
    lines = lines_of([told(0, 60, cpu=[1.0, None, 3.0], network=[None, None, 5.0])])

    assert cpu_of(lines[Tier.MINUTE]) == {0: 10, 120: 30}
    assert lines[Tier.MINUTE].columns[NETWORK_IN.code] == [UNKNOWN, 5]


def test_of_two_points_at_one_instant_the_finer_one_is_kept_as_a_whole():
    half_hours = told(0, 1_800, cpu=[9.0, 9.0], memory=[4 << 20, 4 << 20])
    minutes = told(1_800, 60, cpu=[1.0] * 10)

    line = lines_of([half_hours, minutes])[Tier.FIVE_MINUTES]

    assert cpu_of(line) == {0: 90, 1_800: 10, 2_100: 10}
    assert line.widths == [1_800, 300, 300]
    assert line.columns[MEMORY_USED.code] == [1, UNKNOWN, UNKNOWN]


def test_rows_of_one_width_out_of_two_answers_are_one_line():
    lines = lines_of([told(0, 1_800, cpu=[1.0]), told(1_800, 1_800, cpu=[3.0])])

    assert cpu_of(lines[Tier.FIVE_MINUTES]) == {0: 10, 1_800: 30}
    assert cpu_of(lines[Tier.HOUR]) == {0: 20}


def test_rows_of_two_widths_in_one_answer_go_into_two_tiers():
    series = ToldSeries(
        Kind.GUEST, 64, [MONDAY, MONDAY + 1_800, MONDAY + 1_860], [1_800, 60, 60], {CPU: [1.0, 2.0, 3.0]}
    )

    lines = lines_of([series])

    assert cpu_of(lines[Tier.MINUTE]) == {1_800: 20, 1_860: 30}
    assert cpu_of(lines[Tier.FIVE_MINUTES]) == {0: 10}


# --- Blocks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def instance(db):
    return make_instance()


@pytest.fixture
def written(monkeypatch):
    """How many objects were compressed."""
    real, count = blocks.write_stream, []

    def counting(series):
        count.append(series)
        return real(series)

    monkeypatch.setattr(blocks, "write_stream", counting)
    return count


def cpu_kept(tier=Tier.MINUTE):
    """The codes of CPU in the one block of a tier: by object and by the seconds after Monday, without what is unknown."""
    block = blocks.unpack(bytes(HistoryBlock.objects.get(span__tier=tier).body))
    return {
        pk: {
            epoch - MONDAY: code
            for epoch, code in zip(block.epochs, block.series(pk)[CPU.code, Aspect.MEAN], strict=True)
            if code != UNKNOWN
        }
        for pk in block.streams
    }


def test_objects_that_are_there_are_not_compressed_again_for_one_that_comes(instance, written):
    telling.keep_told(instance.pk, [told(0, 60, pk=64, cpu=[1.0, 2.0]), told(0, 60, pk=65, cpu=[3.0, 4.0])])
    written.clear()

    telling.keep_told(instance.pk, [told(0, 60, pk=66, cpu=[5.0, 6.0])])

    assert len(written) == 1
    assert cpu_kept() == {64: {0: 10, 60: 20}, 65: {0: 30, 60: 40}, 66: {0: 50, 60: 60}}


def test_one_that_lacks_the_oldest_row_of_the_others_compresses_none_of_them_again(instance, written):
    telling.keep_told(instance.pk, [told(0, 60, pk=64, cpu=[1.0, 2.0, 3.0])])
    written.clear()

    telling.keep_told(instance.pk, [told(60, 60, pk=65, cpu=[5.0, 6.0])])

    assert len(written) == 1
    assert cpu_kept() == {64: {0: 10, 60: 20, 120: 30}, 65: {60: 50, 120: 60}}


def test_a_row_more_than_the_others_have_leaves_them_as_they_are(instance):
    telling.keep_told(instance.pk, [told(60, 60, pk=64, cpu=[1.0, 2.0])])

    telling.keep_told(instance.pk, [told(0, 60, pk=65, cpu=[3.0, 4.0, 5.0, 6.0])])

    assert cpu_kept() == {64: {60: 10, 120: 20}, 65: {0: 30, 60: 40, 120: 50, 180: 60}}


def test_rows_between_those_that_are_there_keep_both(instance):
    telling.keep_told(instance.pk, [told(0, 120, pk=64, cpu=[1.0, 2.0])])

    telling.keep_told(instance.pk, [told(60, 120, pk=64, cpu=[3.0, 4.0])])

    assert cpu_kept() == {64: {0: 10, 60: 30, 120: 20, 180: 40}}


def test_what_is_told_anew_replaces_what_was_told_and_what_is_not_told_any_more_stays(instance):
    telling.keep_told(instance.pk, [told(0, 60, cpu=[1.0, 2.0, None], network=[7.0, 7.0, 7.0])])

    new = telling.keep_told(instance.pk, [told(0, 60, cpu=[None, 5.0, 6.0])])

    assert new == 1
    assert cpu_kept() == {64: {0: 10, 60: 50, 120: 60}}
    block = blocks.unpack(bytes(HistoryBlock.objects.get(span__tier=Tier.MINUTE).body))
    assert list(block.series(64)[NETWORK_IN.code, Aspect.MEAN]) == [7, 7, 7]


def test_a_span_says_how_many_values_are_in_it_and_how_large_it_is(instance):
    telling.keep_told(instance.pk, [told(0, 60, pk=64, cpu=[1.0, None, 3.0], network=[1.0, 1.0, 1.0])])
    telling.keep_told(instance.pk, [told(0, 60, pk=65, cpu=[1.0, 2.0, 3.0])])

    span = HistorySpan.objects.get(tier=Tier.MINUTE, source=SpanSource.PROXMOX)

    assert span.value_count == 8
    assert span.stored_bytes == len(bytes(HistoryBlock.objects.get(span=span).body))


def test_a_line_over_midnight_is_kept_in_two_spans(instance):
    telling.keep_told(instance.pk, [told(-60, 60, cpu=[1.0, 2.0])])

    spans = HistorySpan.objects.filter(tier=Tier.MINUTE).order_by("start_epoch")

    assert [(span.start_epoch - MONDAY, span.value_count) for span in spans] == [(-86_400, 1), (0, 1)]

"""Diagnostics tell what there is of the history, and what the disk has cost it."""

from __future__ import annotations

import pytest

from monitoring.choices import Tier
from monitoring.history import retention
from monitoring.models import HistoryBlock, HistorySpan
from pulse.history_report import history_report, history_words
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

EPOCH = int(NOON.timestamp())
HOUR, DAY = 3_600, 86_400
MIB = 1 << 20


def span(instance, tier, start, size, length=HOUR):
    """One span of so many bytes, with one block that stands for all of them."""
    row = HistorySpan.objects.create(
        instance=instance,
        tier=tier,
        start_epoch=start,
        end_epoch=start + length,
        value_count=1000,
        stored_bytes=size,
    )
    HistoryBlock.objects.create(span=row, kind=2, chunk=0, body=b"-")
    return row


def oldest(tier):
    """Since when there is something of a tier, in hours before noon."""
    return [
        (EPOCH - one.start_epoch) // HOUR
        for one in HistorySpan.objects.filter(tier=tier).order_by("start_epoch")
    ]


def test_what_is_older_than_its_tier_stays_goes():
    instance = make_instance()
    for tier, days in ((Tier.TEN_SECONDS, 7), (Tier.MINUTE, 30), (Tier.FIVE_MINUTES, 90), (Tier.HOUR, 730)):
        span(instance, tier, EPOCH - days * DAY - 2 * HOUR, 100)
        span(instance, tier, EPOCH - days * DAY, 100)

    assert retention.prune(at=NOON) == (4, 0, 0)

    assert oldest(Tier.TEN_SECONDS) == [168]
    assert oldest(Tier.HOUR) == [17_520]
    assert HistoryBlock.objects.count() == 4


def test_beyond_the_budget_the_oldest_of_the_finest_goes_first(settings):
    settings.HISTORY_DISK_MB = 16
    instance = make_instance()
    for hours in (1, 2, 3, 4):
        span(instance, Tier.TEN_SECONDS, EPOCH - hours * HOUR, 3 * MIB)
        span(instance, Tier.MINUTE, EPOCH - hours * HOUR, 2 * MIB)

    assert retention.prune(at=NOON).over_budget == 2

    assert oldest(Tier.TEN_SECONDS) == [2, 1]
    assert oldest(Tier.MINUTE) == [4, 3, 2, 1]
    assert retention.used_bytes() <= 16 * MIB


def test_when_the_finest_is_gone_the_next_tier_gives(settings):
    settings.HISTORY_DISK_MB = 16
    instance = make_instance()
    for hours in (1, 2, 3):
        span(instance, Tier.TEN_SECONDS, EPOCH - hours * HOUR, MIB)
        span(instance, Tier.MINUTE, EPOCH - hours * HOUR, 8 * MIB)

    retention.prune(at=NOON)

    assert (oldest(Tier.TEN_SECONDS), oldest(Tier.MINUTE)) == ([], [1])


def test_the_samples_of_an_instance_that_is_no_more_go():
    gone, other = make_instance(), make_instance()
    for one in (gone, other):
        span(one, Tier.MINUTE, EPOCH - HOUR, 100)
    gone.delete()

    assert retention.prune(at=NOON).orphaned == 1

    assert HistorySpan.objects.get().instance_id == other.pk
    assert HistoryBlock.objects.count() == 1


def test_the_report_says_which_tier_the_budget_has_cut(settings):
    settings.HISTORY_DISK_MB = 16
    instance = make_instance()
    span(instance, Tier.TEN_SECONDS, EPOCH - 2 * DAY, 6 * MIB)
    span(instance, Tier.MINUTE, EPOCH - 30 * DAY, 8 * MIB)

    report = history_report(float(EPOCH))

    assert [(one.tier, one.cut) for one in report.tiers if one.spans] == [("10 s", True), ("1 min", False)]
    assert report.budget_bytes == 16 * MIB
    told = list(history_words(report))
    assert told == [
        (
            "the history takes all of the disk that it may (HISTORY_DISK_MB): its samples of 10 s reach back to"
            " 2025-12-30T12:00:00Z, where they may stay for 7 days"
        )
    ]


def test_a_new_history_is_not_cut():
    instance = make_instance()
    span(instance, Tier.TEN_SECONDS, EPOCH - DAY, 100)

    report = history_report(float(EPOCH))

    assert [one.cut for one in report.tiers] == [False] * 5
    assert list(history_words(report)) == []

"""`/api/history/whatif`: what a threshold would have done, had it been in force."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers

from monitoring.api.answers_forecasts import Episode, FiredResource, FiredTotals, Limitation, WhatIf
from monitoring.api.history import empty
from monitoring.api.series import column_of, kept_for
from monitoring.api.spans import RANGES, Span, span_of
from monitoring.api.whatif_targets import KINDS, MOST_RESOURCES, Target, targets_of
from monitoring.history import whatif
from monitoring.history.columns import Column, Columns, Grid
from monitoring.history.metrics import Kind
from monitoring.history.reading import Range, grid_of, merged, read
from monitoring.history.whatif import SAMPLE_SECONDS, Rule
from monitoring.wire.metrics import WIRE_METRICS, WireMetric
from pulse.lib.auth import Access, Limit
from pulse.lib.endpoints import Operation, PreparedEndpoint, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.fields import MomentField, NumberField, TextField, TextsField, TruthField, WholeField

#: Buckets of one resource, and of all together: to try a threshold on so many takes a fifth of a second, to read them longer.
MOST_BUCKETS, MOST_BUCKETS_IN_ALL = 10_000, 200_000
#: Episodes that are told of one resource, and of all together; the rest is counted.
MOST_EPISODES, MOST_EPISODES_IN_ALL = 200, 10_000
LONGEST_DELAY_SECONDS = 7 * 86_400
#: What `clear` is away from `trigger` where it is not given: points of a percentage, and a share of anything else.
MARGIN_PERCENT, MARGIN_SHARE = 5.0, 0.05
HIGHEST = 1e18
QUESTIONS = Limit("what-if", 30, 60)


# The keys are spelled as they are sent.
class WhatIfSerializer(serializers.Serializer[Any]):
    """A threshold, and what it is tried on.

    Name one of `resource`, `resources` and `kind`; `part` is one of the resource, such as `filesystem:/var`. `trigger` and `clear` are in the unit
    of the metric: percent, bytes, bytes per second. `clear` is 5 points of percent short of `trigger` where it is not given, of other
    units 5 %. With `below` the threshold fires downwards. `range` or `start` and `end` say when.
    """

    resource = TextField()
    resources = TextsField(MOST_RESOURCES)
    kind = serializers.ChoiceField(tuple(KINDS), required=False)
    part = TextField()
    metric = serializers.ChoiceField(tuple(WIRE_METRICS), required=True)
    trigger = NumberField(0, HIGHEST, required=True)
    clear = NumberField(0, HIGHEST)
    delaySeconds = WholeField(0, LONGEST_DELAY_SECONDS, source="delay_seconds")
    below = TruthField(source="is_below")
    range = serializers.ChoiceField(tuple(RANGES), required=False)
    start = MomentField()
    end = MomentField()


class Tried(NamedTuple):
    """What came of it."""

    column: Column
    told: FiredResource


class WhatIfView(PreparedEndpoint):
    """What a threshold would have done."""

    limit = QUESTIONS

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: WhatIf},
        takes=WhatIfSerializer,
        refuses={
            400: Refusal("validation_error", "A field is not valid, or more is asked for than is looked at."),
            404: Refusal(
                "resource_not_found", "There is no resource with this id, or nothing is kept of the part."
            ),
        },
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """When a threshold would have fired

        By the rule of thresholds: it fires at the trigger after the delay, is over at the clear level, and what is not known neither fires
        nor ends anything. The longer the time and the more the resources, the wider are the buckets that are looked at: what
        they reached at least once counts, and what cannot be known is told under `limitations`.
        """
        asked = self.taken(request)
        span = span_of(asked, at_epoch=int(time.time()))
        metric = WIRE_METRICS[asked["metric"]]
        rule = rule_of(asked, metric)
        targets, missing = targets_of(asked)
        answer = tried_on(targets, metric, rule, span)
        body = msgspec.json.encode(msgspec.structs.replace(answer, missing=missing))
        return HttpResponse(body, content_type="application/json")


def rule_of(asked: Mapping[str, Any], metric: WireMetric) -> Rule:
    """Return the threshold that is asked about; raises ApiError 400."""
    trigger, is_below = asked["trigger"], asked.get("is_below", False)
    margin = MARGIN_PERCENT if metric.unit == "percent" else trigger * MARGIN_SHARE
    clear = asked.get("clear", trigger + margin if is_below else max(trigger - margin, 0.0))
    if not is_below and trigger <= 0:
        raise ApiError(400, "trigger must be above 0: a threshold at 0 is off")
    if (clear < trigger) if is_below else (clear > trigger):
        side = "below" if is_below else "above"
        raise ApiError(400, f"clear must not be {side} trigger")
    return Rule(trigger, clear, asked.get("delay_seconds", 0), is_below)


def tried_on(targets: list[Target], metric: WireMetric, rule: Rule, span: Span) -> WhatIf:
    """Return what a threshold would have done to these objects."""
    points = points_for(len(targets), span)
    grid = grid_of(span.start_epoch, span.end_epoch, points)
    tried: list[Tried] = []
    resolution, told = 0, list[Range]()
    most = max(min(MOST_EPISODES, MOST_EPISODES_IN_ALL // max(len(targets), 1)), 1)
    for columns, some in reads(targets, metric, span, points):
        resolution = max(resolution, columns.resolution_seconds)
        told += [Range(*one) for one in columns.told]
        for target in some:
            kept = columns.series.get((target.kind, target.pk), {})
            column = column_of(metric.name, kept) or empty(grid.size)
            tried.append(Tried(column, fired_of(target.identity, column, grid, rule, span, most=most)))
    every = [one.told for one in tried]
    return WhatIf(
        metric=metric.name,
        unit=metric.unit,
        trigger=rule.trigger,
        clear=rule.clear,
        delay_seconds=rule.delay_seconds,
        is_below=rule.is_below,
        start=span.start_epoch * 1000,
        end=span.end_epoch * 1000,
        step=grid.step_seconds,
        resolution=resolution,
        told=[(start * 1000, end * 1000) for start, end in merged(told)],
        totals=FiredTotals(
            resources=len(every),
            fired=sum(one.count > 0 for one in every),
            episodes=sum(one.count for one in every),
            certain_episodes=sum(one.certain_count for one in every),
            seconds=sum(one.seconds for one in every),
        ),
        resources=sorted(every, key=lambda one: (-one.count, -one.seconds, one.id)),
        missing=[],
        limitations=list(limitations(tried, rule, max(resolution, grid.step_seconds))),
    )


def points_for(count: int, span: Span) -> int:
    """Return how many buckets each of so many objects gets: no more than there are samples."""
    samples = -(-(span.end_epoch - span.start_epoch) // SAMPLE_SECONDS)
    return max(min(samples, MOST_BUCKETS, MOST_BUCKETS_IN_ALL // max(count, 1)), 1)


def reads(
    targets: list[Target], metric: WireMetric, span: Span, points: int
) -> Iterator[tuple[Columns, list[Target]]]:
    """Yield the series by instance and kind, each with the objects that they are of."""

    def place(target: Target) -> tuple[int, Kind]:
        return target.shown.instance_id, target.kind

    for (instance_id, kind), group in groupby(sorted(targets, key=place), key=place):
        some = list(group)
        yield (
            read(
                instance_id,
                {kind: ([target.pk for target in some], kept_for([metric.name]))},
                start_epoch=span.start_epoch,
                end_epoch=span.end_epoch,
                points=points,
                head=some[0].shown.memory.head,
            ),
            some,
        )


def fired_of(
    identity: str, column: Column, grid: Grid, rule: Rule, span: Span, *, most: int
) -> FiredResource:
    """Return what a threshold would have done to one object; the newest episodes."""
    episodes = whatif.fired(column, grid, rule)
    buckets = max(-(-(span.end_epoch - grid.start_epoch) // grid.step_seconds), 1)
    known = sum(value is not None for value in column.means)
    return FiredResource(
        id=identity,
        count=len(episodes),
        certain_count=sum(one.is_certain for one in episodes),
        seconds=sum((one.end_epoch or span.end_epoch) - one.start_epoch for one in episodes),
        known=round(min(known / buckets, 1.0), 4),
        episodes=[told_episode(one) for one in episodes[-most:]],
    )


def told_episode(one: whatif.Episode) -> Episode:
    """Return one episode as it is sent."""
    return Episode(
        start=one.start_epoch * 1000,
        fired=one.fired_epoch * 1000,
        end=None if one.end_epoch is None else one.end_epoch * 1000,
        peak=round(one.peak, 2),
        is_certain=one.is_certain,
        is_stale=one.is_stale,
    )


def limitations(tried: list[Tried], rule: Rule, width: int) -> Iterator[Limitation]:
    """Yield what cannot be known of buckets of this width in seconds."""
    if width > SAMPLE_SECONDS:
        yield Limitation("episodes", f"Episodes less than {width} s apart count as one.")
    if 0 < rule.delay_seconds < width and width > SAMPLE_SECONDS:
        yield Limitation(
            "delay",
            f"The delay is shorter than the {width} s of a bucket: whether it was served is certain of no episode that is shorter.",
        )
    if any(one.column.highs.count(None) > one.column.means.count(None) for one in tried):
        yield Limitation(
            "peaks",
            "Of some of the time only means are known, as in Proxmox's own records: shorter peaks are not seen.",
        )
    if any(one.told.known < 0.99 for one in tried):
        yield Limitation("gaps", "Some of the time is not known of every resource; see known.")

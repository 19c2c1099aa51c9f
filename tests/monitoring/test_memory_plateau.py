"""Once everything was read, hours of polls and visits leave nothing behind."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import timedelta
from statistics import linear_regression, mean

import pytest
from django.utils import timezone

from monitoring.collecting import judging, run
from monitoring.polling import polls
from tests.factories import make_instance
from tests.fake_proxmox import FakeProcess

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(600)]

#: Calls are accounted for an hour, and the lanes have come round by then.
SETTLING_MINUTES = 65
MINUTES = 40
EVERY_MINUTES = 2


def test_memory_is_flat_over_hours_once_everything_was_read():
    with FakeProcess("demo") as hosts:  # a process of its own: what it remembers is not ours
        instances = [added(told) for told in hosts.instances]
        at, sizes = timezone.now(), []
        gc.collect()
        tracemalloc.start()
        try:
            for minute in range(1, SETTLING_MINUTES + MINUTES + 1):
                hosts.request("POST", "/clock", {"advance": 60.0})
                at += timedelta(minutes=1)
                look(instances, at)
                if minute > SETTLING_MINUTES and minute % EVERY_MINUTES == 0:
                    gc.collect()
                    sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()

    half = sizes[len(sizes) // 2 :]
    grown = linear_regression(range(len(half)), half).slope * len(half) / mean(half)
    assert len(half) == 10
    assert mean(half) > 1_000_000  # else nothing was watched
    assert grown < 0.01, f"{grown:.1%} in twenty minutes, {[size // 1024 for size in sizes]} KiB"


def added(told):
    """Configure an instance of the estate."""
    token = {"token_id": told["tokenId"], "token_value": told["tokenValue"]}
    return make_instance(told["kind"], name=told["name"], host=told["url"], **token)


def look(instances, at):
    """Poll everything, let the slow lanes visit, judge the backups."""
    for instance in instances:
        if polls.poll(instance.pk, at):
            run.collect(instance.pk, at)
    judging.judge_if_due(at)

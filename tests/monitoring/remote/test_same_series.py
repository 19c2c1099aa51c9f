"""What is written to other engines and what `/metrics` shows are the same series: one dashboard reads both."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from prometheus_client.parser import text_string_to_metric_families

from monitoring.exporting.answers import ANSWERS
from monitoring.exporting.remote import sending, turns
from tests.conftest import NOON
from tests.monitoring.conftest import Watched
from tests.monitoring.remote.targets import make_target

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]


@pytest.mark.parametrize("kind", ["pve", "pbs", "pmg"])
def test_every_series_that_is_written_is_one_of_metrics(kind, request, receiver, api):
    ANSWERS.forget()
    sending._known.clear()
    server = request.getfixturevalue(f"fake_{kind}")
    login = {"user": server.user, "password": server.password} if kind == "pmg" else {}
    watched = Watched(server, kind, **login)
    target = make_target(url=receiver.url)
    watched.poll()
    turns.take(target.pk, NOON)
    for _ in range(8):
        watched.poll(after=10)
    with time_machine.travel(NOON + timedelta(seconds=80), tick=False):
        shown = {
            (sample.name, frozenset((name, value) for name, value in sample.labels.items() if value))
            for family in text_string_to_metric_families(api.get("/metrics").content.decode())
            for sample in family.samples
        }

    turns.take(target.pk, NOON + timedelta(seconds=80))

    written = {(labels[0][1], frozenset(labels[1:])) for labels in receiver.series()}
    ANSWERS.forget()
    assert sorted(map(str, written - shown)) == []
    assert len(written) >= {"pve": 100, "pbs": 10, "pmg": 10}[kind]

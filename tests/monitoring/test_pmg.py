"""A mail gateway, polled: its nodes, queues and statistics, and what is shown when it is silent."""

from __future__ import annotations

import pytest

from monitoring.polling import polls
from monitoring.store import current
from monitoring.wire.fragments import FragmentKey
from tests.conftest import NOON
from tests.factories import make_instance
from tests.fake_proxmox import PmgSpec
from tests.fake_proxmox.fixtures import virtual_estate

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(fake_pmg, watch):
    """The gateway as an instance `mail` that logs in with a password."""
    watched = watch.__new__(watch)
    watched.server, watched.seconds = fake_pmg, 0
    watched.instance = make_instance(
        "pmg", name="mail", host=fake_pmg.url, user=fake_pmg.user, password=fake_pmg.password
    )
    return watched


def test_its_node_has_figures_and_queues(gateway):
    gateway.server.site.set_queue("deferred", [3, 2])
    gateway.server.site.set_queue("active", [1])

    assert gateway.poll() is True

    (shown,) = gateway.shown("pmg")
    assert (shown["id"], shown["status"], shown["connectionHealth"]) == ("pmg-mail", "online", "healthy")
    (node,) = shown["nodes"]
    assert (node["name"], node["status"], node["memory"]["total"] > 0) == ("mail", "online", True)
    assert node["queues"]["active"] >= 1
    assert node["queues"]["deferred"] >= 5


def test_statistics_are_those_of_today(gateway):
    gateway.server.site.set_mail(count_in=1234, junk_in=56)

    gateway.poll()

    statistics = gateway.shown("pmg")[0]["statistics"]
    assert (statistics["countIn"], statistics["junkIn"]) == (1234, 56)


def test_it_is_part_of_the_state(gateway, document):
    gateway.poll()

    told = document()
    assert [one["name"] for one in told["pmg"]] == ["mail"]
    assert told["connectionHealth"] == {"pmg-mail": True}


def test_a_silent_gateway_is_offline_at_once_with_its_last_figures(gateway):
    gateway.poll()
    (before,) = gateway.shown("pmg")
    gateway.server.faults.add("down")

    gateway.poll(after=10, reconnects=True)

    (after,) = gateway.shown("pmg")
    assert (after["status"], after["connectionHealth"], after["stale"]) == ("offline", "unhealthy", True)
    assert after["nodes"] == before["nodes"]


def test_a_gateway_that_never_answered_is_shown_without_figures(gateway):
    gateway.server.faults.add("down")

    gateway.poll()

    (shown,) = gateway.shown("pmg")
    assert (shown["status"], shown["nodes"], shown["lastSeen"]) == ("offline", [], "0001-01-01T00:00:00Z")


def test_few_calls_are_made_between_two_looks(gateway):
    gateway.poll()
    gateway.server.traffic.reset()

    gateway.poll(after=10)

    assert gateway.server.traffic.snapshot()["requests"] == {"/version": 1}


def test_a_node_that_cannot_be_reached_says_why(watch):
    with virtual_estate(PmgSpec(name="mail", nodes=2)) as estate:
        site = estate.site("mail")
        second = list(site.model.nodes)[1]
        site.cut_off_node(second, "500 no route")
        instance = make_instance("pmg", name="mail", host=site.url, user=site.user, password=site.password)

        polls.poll(instance.pk, NOON)

        items = current.store().fragments()[FragmentKey(instance.pk, "resources")].items["pmg"]
    assert b'"error":"500 no route"' in items[0].body
    assert items[0].body.count(b'"status":"offline"') == 1


def test_a_token_is_refused_when_it_is_added(client):
    body = {"type": "pmg", "host": "https://192.0.2.30:8006", "tokenName": "a@pmg!b", "tokenValue": "secret"}

    answer = client.post("/api/config/nodes", body, content_type="application/json", HTTP_HOST="localhost")

    assert answer.status_code == 400
    assert answer.json()["details"] == {
        "tokenName": "a Proxmox Mail Gateway takes no API tokens: enter user and password"
    }


def test_it_is_added_and_listed_after_all_others(client, fake_pmg):
    make_instance("pbs")
    body = {
        "type": "pmg",
        "name": "mail",
        "host": fake_pmg.url,
        "user": fake_pmg.user,
        "password": fake_pmg.password,
    }

    answer = client.post("/api/config/nodes", body, content_type="application/json", HTTP_HOST="localhost")

    assert (answer.status_code, answer.json()["id"]) == (201, "pmg-0")
    listed = client.get("/api/config/nodes", HTTP_HOST="localhost").json()
    assert [one["type"] for one in listed] == ["pbs", "pmg"]
    assert not [key for key in listed[1] if key.startswith("monitor")]

"""What goes wrong at a host: the others go on, the state says so, the sentence helps, and it ends with the fault."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.polling import turns
from tests.conftest import NOON

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

#: fault -> (options, code of the failure, a word of its sentence)
FAULTS = {
    "down": ({}, "refused", "port"),
    "silent": ({}, "timeout", "firewall"),
    "tls-stall": ({}, "timeout", "firewall"),
    "hang": ({}, "timeout", "overloaded"),
    "drip": ({"bytes_per_second": 20}, "timeout", "overloaded"),
    "reset": ({"after_bytes": 100}, "unreachable", "network"),
    "truncate": ({"after_bytes": 100}, None, ""),
    "certificate": ({}, "certificate_changed", "fingerprint"),
    "401": ({}, "login_failed", "token"),
    "403": ({"reason": "Permission check failed (/, Sys.Audit)"}, "permission_denied", "Sys.Audit"),
    "500": ({}, "server_error", "log"),
    "595": ({}, "node_busy", "node"),
    "html": ({}, "bad_answer", "Proxmox host"),
    "empty-body": ({}, "bad_answer", ""),
    "null": ({}, "bad_answer", ""),
    "redirect": ({}, "bad_answer", ""),
    "gzip-bomb": ({}, "too_large", "32 MiB"),
    "big": ({}, "too_large", "32 MiB"),
    "nan": ({}, "bad_answer", ""),
    "deep": ({}, "bad_answer", ""),
    "empty-list": ({}, "bad_answer", "cluster file system"),
}
#: Faults that end by a limit of time. All others may take theirs on a busy machine.
ENDLESS = ("silent", "tls-stall", "hang", "drip")


@pytest.mark.parametrize("kind", FAULTS)
def test_fault(kind, fake_pve, fake_pbs, watch, document, client, request):
    options, code, word = FAULTS[kind]
    if kind in ENDLESS:
        request.getfixturevalue("short_limits")
    watched = watch(fake_pve, fingerprint=fake_pve.fingerprint)
    other = watch(fake_pbs, "pbs")
    watched.poll()
    other.poll()
    before = set(watched.guests())

    fake_pve.faults.add(kind, **options)
    watched.poll(after=10, reconnects=True)
    other.poll(after=10)

    row = watched.row()
    assert row.state in ("failing", "login-failed")
    assert code is None or row.failure_code == code
    assert word in row.failure_message
    state = document()
    assert set(watched.guests()) == before
    assert {guest["stale"] for guest in watched.guests().values()} == {True}
    assert {node["connectionHealth"] for node in state["nodes"]} == {"unhealthy"}
    assert state["connectionHealth"] == {"lab": False, "pbs-vault": True}
    assert state["pbs"][0]["status"] == "online"
    listed = client.get("/api/config/nodes", HTTP_HOST="localhost", REMOTE_ADDR="127.0.0.1").json()
    shown = next(one for one in listed if one["type"] == "pve")
    assert shown["status"] in ("disconnected", "error")
    assert shown["statusMessage"] == row.failure_message

    fake_pve.faults.clear()
    watched.poll(after=10)

    assert watched.row().state == "ok"
    assert document()["connectionHealth"]["lab"] is True
    assert not any(guest.get("stale") for guest in watched.guests().values())


def test_a_silent_host_is_offline_after_35_seconds_and_keeps_its_guests(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    before = set(watched.guests())
    fake_pve.faults.add("down")

    watched.poll(after=34)
    before_that = watched.shown("nodes")[0]["status"]
    watched.poll(after=2)

    (node,) = watched.shown("nodes")
    assert before_that == "online"
    assert (node["status"], node["connectionHealth"], node["cpu"], node["uptime"]) == (
        "offline",
        "error",
        0,
        0,
    )
    assert set(watched.guests()) == before


def test_five_refused_logins_leave_one_placeholder_until_one_succeeds(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    fake_pve.faults.add("401")

    counts = []
    for _ in range(5):
        watched.poll(after=10)
        counts.append(len(watched.guests()))
    placeholder = watched.shown("nodes")
    fake_pve.faults.clear()
    watched.poll(after=10)

    assert counts[3] > 0
    assert counts[4] == 0
    assert [(one["id"], one["name"], one["status"]) for one in placeholder] == [
        ("lab-failed", "lab", "offline")
    ]
    assert watched.guests() != {}


def test_refused_logins_are_tried_rarely_after_the_fifth(fake_pve, watch):
    watched = watch(fake_pve)
    fake_pve.faults.add("401")

    for _ in range(5):
        watched.poll(after=10)

    assert (watched.row().next_poll_at - watched.row().failing_since).total_seconds() == 100


#: what the host asks for -> the seconds that it is left alone
ASKED = {
    "some minutes": ("200", 200),
    "a minute, by a PBS": ("60", 60),
    "absurdly much": ("86400", 600),
}


@pytest.mark.parametrize("case", ASKED)
def test_a_host_that_asks_for_time_gets_it(case, fake_pve, fake_pbs, watch):
    asked, seconds = ASKED[case]
    server = fake_pbs if "PBS" in case else fake_pve
    watched = watch(server, server.kind)
    server.faults.add("status", status=503, headers={"Retry-After": asked})

    watched.poll()

    until = NOON + timedelta(seconds=seconds)
    assert watched.row().state == "failing"
    assert turns.claimed(until - timedelta(seconds=1), interval=10.0) == []
    assert turns.claimed(until, interval=10.0) == [watched.instance.pk]


def test_a_pbs_that_is_silent_keeps_its_figures(fake_pbs, watch):
    watched = watch(fake_pbs, "pbs")
    watched.poll()
    (before,) = watched.shown("pbs")
    fake_pbs.faults.add("down")

    watched.poll(after=10)

    (after,) = watched.shown("pbs")
    assert (after["status"], after["connectionHealth"]) == ("offline", "unhealthy")
    assert after["datastores"] == before["datastores"]


def test_after_another_certificate_no_byte_of_the_credential_is_sent(fake_pve, watch):
    watched = watch(fake_pve, fingerprint=fake_pve.fingerprint)
    watched.poll()
    fake_pve.traffic.reset()

    fake_pve.renew_certificate()
    watched.poll(after=10, reconnects=True)

    assert watched.row().failure_code == "certificate_changed"
    assert fake_pve.traffic.snapshot()["requests"] == {}


def test_the_clock_of_a_host_does_not_matter(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    fake_pve.faults.add("clock", seconds=3600)

    watched.poll(after=10)
    watched.poll(after=10)

    rates = [guest["networkIn"] for guest in watched.guests().values() if guest["status"] == "running"]
    assert watched.row().state == "ok"
    assert all(0 <= rate < 10**10 for rate in rates)


def test_a_counter_reset_makes_no_spike(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    watched.poll(after=10)
    highest = max(guest["networkIn"] for guest in watched.guests().values())

    fake_pve.site.reset_counters()
    watched.poll(after=10)
    after_reset = max(guest["networkIn"] for guest in watched.guests().values())
    watched.poll(after=10)

    assert after_reset == 0
    assert max(guest["networkIn"] for guest in watched.guests().values()) < highest * 10

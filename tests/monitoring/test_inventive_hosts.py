"""A host that tells of more than there can be, and of others in every poll: rows, memory, database and time stay bounded."""

from __future__ import annotations

import json
import time
from pathlib import Path
from resource import getpagesize

import pytest
from django.db import connection

from nodes.models import Guest, Node, Storage
from tests.monitoring.test_lying_hosts import shown

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

MIB = 1 << 20
POLLS = 40


class Inventive:
    """A host that answers `/cluster/resources` with what it is told to."""

    def __init__(self, server, watched):
        self.server, self.watched = server, watched

    def tells(self, rows):
        """Answer so from now on."""
        self.server.faults.clear()
        body = json.dumps({"data": rows})
        self.server.faults.add("status", path="/cluster/resources", status=200, reason="OK", body=body)

    def is_polled(self, *, after=10):
        """Poll it once; returns how many seconds of the processor that took, the host's included."""
        begun = time.process_time()
        self.watched.poll(after=after)
        return time.process_time() - begun


@pytest.fixture
def inventive(fake_pve, watch):
    return Inventive(fake_pve, watch(fake_pve))


def node(name="pve"):
    return {"type": "node", "node": name, "status": "online", "maxcpu": 4, "uptime": 1}


def guests(first, count, *, on="pve"):
    return [
        {"type": "qemu", "vmid": vmid, "node": on, "status": "running"}
        for vmid in range(first, first + count)
    ]


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize()


def database_bytes():
    with connection.cursor() as cursor:
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return cursor.fetchone()[0]


def texts(watched, code):
    return [one["text"] for one in shown(watched.instance, "concerns") if one["code"] == code]


def test_of_a_hundred_thousand_guests_twenty_thousand_are_kept_and_the_rest_is_told(inventive):
    inventive.tells([node(), *reversed(guests(100, 100_000))])

    inventive.is_polled()

    assert Guest.objects.count() == 20_000
    assert Guest.objects.order_by("-vmid").first().vmid == 20_099
    assert texts(inventive.watched, "list_too_long") == [
        "lab lists too many guests: those with the lowest numbers are shown, and 80,000 are left out"
    ]


@pytest.mark.timeout(600)
def test_a_host_that_invents_five_thousand_guests_in_each_poll_is_bounded_and_recovers(inventive):
    seconds, memory, database = [], [], []
    for turn in range(POLLS):
        inventive.tells([node(), *guests(1_000 + 5_000 * turn, 5_000)])
        seconds.append(inventive.is_polled())
        memory.append(resident_bytes())
        database.append(database_bytes())

    live = Guest.objects.filter(gone_at=None)
    assert (live.count(), Guest.objects.count()) == (5_000, 45_000)
    assert live.order_by("vmid").first().vmid == 1_000 + 5_000 * (POLLS - 1)
    assert max(database) < 12 * MIB
    assert max(memory[20:]) - max(memory[:15]) < 20 * MIB
    assert sorted(seconds)[POLLS // 2] < 2
    assert inventive.watched.row().state == "ok"

    inventive.server.faults.clear()
    inventive.is_polled()

    assert sorted(inventive.watched.guests()) == list(range(100, 114))
    assert texts(inventive.watched, "list_too_long") == []
    assert inventive.is_polled() < 1


def test_a_host_that_names_other_nodes_in_each_poll_is_bounded(inventive):
    for turn in range(30):
        rows = [one for vmid in range(100, 500) for one in guests(vmid, 1, on=f"t{turn:02}-{vmid}")]
        inventive.tells([node(), *rows])
        inventive.is_polled()

    assert Node.objects.filter(gone_at=None).count() <= 256
    assert Node.objects.count() <= 768
    assert inventive.watched.row().state == "ok"


def test_a_host_that_names_other_storages_in_each_poll_is_bounded(inventive):
    for turn in range(8):
        storages = [
            {"type": "storage", "storage": f"t{turn}-{number}", "node": "pve", "status": "available"}
            for number in range(6_000)
        ]
        inventive.tells([node(), *guests(100, 1), *storages])
        inventive.is_polled()

    assert Storage.objects.filter(gone_at=None).count() == 5_000
    assert Storage.objects.count() == 15_000

"""Where the numbers of backup servers and mail gateways come from, as literals."""

from __future__ import annotations

import msgspec
import pytest

from monitoring.figures.servers import GatewayFigures, ServerFigures, datastore_figures
from monitoring.known.datastores import known_datastores
from monitoring.known.facts import Facts
from monitoring.known.memory import PollMemory
from monitoring.wire import server_numbers
from nodes.proxmox.readings.live import DatastoreReading, DatastoreStateReading, PbsStatusReading
from nodes.proxmox.readings.mail import MailNodeReading, MailQueueReading, MailStatisticsReading

AT = 1767268800.0
NOW, AGO = "2026-01-01T12:00:00Z", "2026-01-01T11:59:00Z"
STATUS = PbsStatusReading(
    cpu_ratio=0.5,
    memory_used_bytes=30,
    memory_total_bytes=120,
    load_average=(0.5, 0.25, 0.1),
    uptime_seconds=3600,
    swap_used_bytes=1,
    swap_total_bytes=8,
    root_used_bytes=20,
    root_total_bytes=100,
    root_available_bytes=70,
)
STORE = DatastoreReading(
    "main",
    100,
    30,
    60,
    mount_status="nonremovable",
    estimated_full_epoch=1767312000,
    disk_bytes=10,
    index_bytes=120,
    bad_chunk_count=2,
)


def by_name(numbers):
    return {one.name: msgspec.to_builtins(one) for one in numbers}


def pbs_numbers(*stores, status=STATUS, read_epoch=AT, states=(), late=False):
    """The numbers of a PBS; the list of its datastores was read a minute before their use."""
    known = {state.name: state for state in states}
    memory = PollMemory(
        pbs_status=status, pbs_status_epoch=read_epoch, datastores=stores, datastores_epoch=AT - 60
    )
    facts = Facts(datastore_states=known, datastore_states_epoch=AT - 120)
    figures = tuple(
        datastore_figures(one, known.get(one.name), (), is_stale=late)
        for one in known_datastores(stores, known)
    )
    server = ServerFigures("online", "healthy", AT, version="4.2", host=status, datastores=figures)
    return by_name(server_numbers.pbs_numbers(server, memory, facts, at_epoch=AT + 7))


HOST = {
    "cpu": {"value": 0.5, "raw": {"cpu": 0.5}, "call": "GET /nodes/localhost/status", "note": ""},
    "memory": {
        "value": 25.0,
        "unit": "percent",
        "formula": "memory.used of memory.total",
        "raw": {"memory.used": 30, "memory.total": 120},
        "readAt": NOW,
        "ageSeconds": 7,
    },
    "swap": {"value": 1, "unit": "bytes", "raw": {"swap.used": 1, "swap.total": 8}},
    "disk": {"value": 20, "unit": "bytes", "raw": {"root.used": 20, "root.total": 100, "root.avail": 70}},
    "loadAverage": {"value": [0.5, 0.25, 0.1], "formula": "loadavg"},
    "uptime": {"value": 3600, "unit": "seconds", "raw": {"uptime": 3600}},
}


@pytest.mark.parametrize(("name", "expected"), HOST.items(), ids=HOST)
def test_a_number_of_a_pbs(name, expected):
    told = pbs_numbers()

    assert list(told) == list(HOST)
    assert {key: told[name][key] for key in expected} == expected


def test_figures_of_a_pbs_that_could_not_be_renewed_are_not_told_as_those_of_now():
    told = pbs_numbers(read_epoch=AT - 120)["cpu"]

    assert (told["value"], told["raw"], told["note"]) == (None, {"cpu": 0.5}, "it could not be renewed")
    assert told["ageSeconds"] == 127


def test_of_a_pbs_whose_figures_the_account_may_not_see_none_is_told():
    told = pbs_numbers(status=None, read_epoch=0.0)

    assert {name: one["value"] for name, one in told.items()} == dict.fromkeys(HOST)


STORES = {
    "datastores.main.usage": {
        "value": pytest.approx(100 / 3),
        "formula": "used of used + avail, as PBS itself has it",
        "raw": {"used": 30, "avail": 60, "total": 100, "mount-status": "nonremovable"},
        "call": "GET /status/datastore-usage",
        "readAt": AGO,
    },
    "datastores.main.deduplication": {
        "value": 12.0,
        "raw": {
            "gc-status.index-data-bytes": 120,
            "gc-status.disk-bytes": 10,
            "gc-status.still-bad": 2,
        },
    },
    "datastores.main.fullAt": {"value": "2026-01-02T00:00:00Z", "raw": {"estimated-full-date": 1767312000}},
}


@pytest.mark.parametrize(("name", "expected"), STORES.items(), ids=STORES)
def test_a_number_of_a_datastore(name, expected):
    told = pbs_numbers(STORE)

    assert [one for one in told if one.startswith("datastores")] == list(STORES)
    assert {key: told[name][key] for key in expected} == expected


def test_a_datastore_in_maintenance_says_so_beside_its_numbers():
    state = DatastoreStateReading("main", "nightly", "read-only", "until friday")

    told = pbs_numbers(STORE, states=[state])["datastores.main.usage"]

    assert told["note"] == "the datastore is in maintenance: read-only (until friday)"
    assert told["raw"] == {
        "used": 30,
        "avail": 60,
        "total": 100,
        "maintenance": "read-only",
        "message": "until friday",
        "comment": "nightly",
        "mount-status": "nonremovable",
        "list read": "2026-01-01T11:58:00Z",
    }
    assert told["call"] == "GET /status/datastore-usage; GET /admin/datastore"


NOTHING_TOLD = {
    "an error": (
        DatastoreReading("main", error="unable to open chunk store"),
        [],
        "unable to open chunk store",
    ),
    "not mounted": (DatastoreReading("main", mount_status="notmounted"), [], "not mounted"),
    "only in the list": (
        None,
        [DatastoreStateReading("main")],
        "the server lists the datastore and tells no figures: the account may lack Datastore.Audit on it",
    ),
    "maintenance": (
        None,
        [DatastoreStateReading("main", maintenance="offline")],
        "the datastore is in maintenance: offline",
    ),
}


@pytest.mark.parametrize(("reading", "states", "note"), NOTHING_TOLD.values(), ids=NOTHING_TOLD)
def test_a_datastore_without_figures_has_no_value_and_tells_why(reading, states, note):
    told = pbs_numbers(*([reading] if reading else []), states=states)

    assert [one for one in told if one.startswith("datastores")] == ["datastores.main.usage"]
    assert (told["datastores.main.usage"]["value"], told["datastores.main.usage"]["note"]) == (None, note)


def test_the_use_of_datastores_that_could_not_be_renewed_says_so():
    assert pbs_numbers(STORE, late=True)["datastores.main.usage"]["note"] == "it could not be renewed"


def pmg_numbers():
    nodes = (
        MailNodeReading(
            "mx1",
            cpu_ratio=0.25,
            memory_used_bytes=1,
            memory_total_bytes=4,
            root_used_bytes=2,
            root_total_bytes=10,
            load_average=(1.0, 2.0, 3.0),
            uptime_seconds=60,
            version="pmg-api/9.1.0/09158948b9568e81",
        ),
        MailNodeReading("mx2", error="no route to host"),
    )
    queues = {"mx1": (MailQueueReading("deferred", 5, (("5m", 2), ("1280m+", 3))),)}
    statistics = MailStatisticsReading(count_in=1234, bytes_out=99, spam_in=7, average_seconds=1.5)
    gateway = GatewayFigures("online", "healthy", AT, nodes=nodes, queues=queues, statistics=statistics)
    memory = PollMemory(
        mail_nodes=nodes,
        mail_nodes_epoch=AT,
        mail_queues=queues,
        mail_queues_epoch=AT - 60,
        mail_statistics=statistics,
        mail_statistics_epoch=AT - 60,
    )
    return by_name(server_numbers.pmg_numbers(gateway, memory, at_epoch=AT + 7))


MAIL = {
    "nodes.mx1.cpu": {"value": 0.25, "unit": "fraction", "raw": {"cpu": 0.25}, "readAt": NOW},
    "nodes.mx1.memory": {
        "value": {"total": 4, "used": 1, "free": 3, "usage": 25.0},
        "unit": "bytes",
        "raw": {"memory.used": 1, "memory.total": 4},
    },
    "nodes.mx1.disk": {
        "value": {"total": 10, "used": 2, "free": 8, "usage": 20.0},
        "raw": {"rootfs.used": 2, "rootfs.total": 10},
    },
    "nodes.mx1.loadAverage": {"value": [1.0, 2.0, 3.0]},
    "nodes.mx1.uptime": {"value": 60, "unit": "seconds"},
    "nodes.mx1.queues.deferred": {
        "value": 5,
        "unit": "mails",
        "raw": {"total": 5, "5m": 2, "1280m+": 3},
        "call": "GET /nodes/mx1/postfix/qshape?queue=deferred",
        "readAt": AGO,
    },
    "statistics.countIn": {
        "value": 1234,
        "unit": "mails",
        "formula": "count_in, since midnight of the server, of all nodes together",
        "raw": {"count_in": 1234},
        "call": "GET /statistics/mail",
        "readAt": AGO,
    },
    "statistics.bytesOut": {"value": 99, "unit": "bytes", "raw": {"bytes_out": 99}},
    "statistics.spamIn": {"value": 7, "unit": "mails", "raw": {"spamcount_in": 7}},
    "statistics.averageSeconds": {"value": 1.5, "unit": "seconds", "raw": {"avptime": 1.5}},
}


@pytest.mark.parametrize(("name", "expected"), MAIL.items(), ids=MAIL)
def test_a_number_of_a_mail_gateway(name, expected):
    told = pmg_numbers()

    assert list(told) == list(MAIL)
    assert {key: told[name][key] for key in expected} == expected

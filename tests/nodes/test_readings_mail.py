from __future__ import annotations

import json

import pytest

from nodes.proxmox import mail, pve
from nodes.proxmox.client import Client, Credential
from nodes.proxmox.errors import BadAnswer, LoginFailed
from nodes.proxmox.readings.mail import MailNodeReading, MailQueueReading, MailStatisticsReading
from tests.nodes.servers import PASSWORD, TOKEN, Link, always, ask, scripted


def test_the_nodes_of_a_gateway_are_read_with_one_that_cannot_be_reached() -> None:
    rows = [
        {"cid": 2, "name": "pmg2", "ip": "192.0.2.2", "type": "node", "conn_error": "timed out"},
        {"cid": 1, "name": "pmg1", "ip": "192.0.2.1", "type": "master", "insync": 1, "cpu": 0.25,
         "memory": {"used": 3, "total": 8}, "rootfs": {"used": 2, "total": 9}, "loadavg": ["0.1", "0.2", "0.3"],
         "swap": {"used": 1, "total": 4}, "current-kernel": {"release": "6.17.4-1-pve"}, "kversion": "Linux 6", "time": 1767268800,
         "uptime": 500, "pmgversion": "pmg-api/9.1.0/abc", "level": "c"},
    ]  # fmt: skip

    assert mail.read_cluster_status(rows) == (
        MailNodeReading(
            "pmg1",
            "192.0.2.1",
            "master",
            is_in_sync=True,
            cpu_ratio=0.25,
            memory_used_bytes=3,
            memory_total_bytes=8,
            root_used_bytes=2,
            root_total_bytes=9,
            load_average=(0.1, 0.2, 0.3),
            uptime_seconds=500,
            version="pmg-api/9.1.0/abc",
            subscription_level="c",
            swap_used_bytes=1,
            swap_total_bytes=4,
            kernel_version="6.17.4-1-pve",
            clock_epoch=1767268800,
        ),
        MailNodeReading("pmg2", "192.0.2.2", "node", error="timed out"),
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kversion": "Linux 5.15.30-2-pve #1 SMP"}, "Linux 5.15.30-2-pve #1 SMP"),
        ({"current-kernel": {"release": "6.8.12"}}, "6.8.12"),
        ({"current-kernel": "6.8.12"}, ""),
        ({"current-kernel": {}, "kversion": None}, ""),
        ({}, ""),
        ({"current-kernel": {"release": ""}, "kversion": "Linux 6.2"}, "Linux 6.2"),
    ],
)
def test_the_kernel_of_a_gateway_is_told_in_two_ways(fields: dict[str, object], expected: str) -> None:
    (node,) = mail.read_cluster_status([{"name": "pmg", **fields}])

    assert node.kernel_version == expected


@pytest.mark.parametrize("fields", [{}, {"swap": None, "time": 0}, {"swap": {"used": "x"}, "time": "later"}])
def test_swap_and_clock_that_are_not_told_are_unknown(fields: dict[str, object]) -> None:
    (node,) = mail.read_cluster_status([{"name": "pmg", **fields}])

    assert (node.swap_used_bytes, node.swap_total_bytes, node.clock_epoch) == (None, None, None)


def test_a_single_host_has_no_role() -> None:
    (node,) = mail.read_cluster_status([{"name": "pmg", "type": "-", "insync": 0}])

    assert (node.role, node.is_in_sync) == ("", False)


@pytest.mark.parametrize("data", [None, {}, [{"cid": 1}], [5]])
def test_a_gateway_without_nodes_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        mail.read_cluster_status(data)


def test_a_queue_is_read_by_the_age_of_its_messages() -> None:
    rows = [
        {"domain": "TOTAL", "total": "9", "1280m+": "1", "5m": "3", "20m": 0, "10m": "5", "x": "7"},
        {"domain": "example.test", "total": "9"},
    ]

    assert mail.read_mail_queue(rows, queue="deferred") == MailQueueReading(
        "deferred", 9, (("5m", 3), ("10m", 5), ("20m", 0), ("1280m+", 1))
    )


def test_a_queue_without_rows_is_empty() -> None:
    assert mail.read_mail_queue([], queue="hold") == MailQueueReading("hold", 0)


@pytest.mark.parametrize("data", [None, {}, [{"domain": "a.test", "total": 5}], [{"domain": "TOTAL"}], [5]])
def test_a_queue_without_a_total_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        mail.read_mail_queue(data, queue="active")


def test_statistics_are_read() -> None:
    data = {
        "count_in": 10, "count_out": "20", "bytes_in": 30, "bytes_out": 40, "spamcount_in": 5, "spamcount_out": 6,
        "viruscount_in": 7, "viruscount_out": 8, "bounces_in": 9, "bounces_out": 1, "junk_in": 2, "glcount": 3,
        "spfcount": 11, "rbl_rejects": 4, "avptime": 0.75,
    }  # fmt: skip

    assert mail.read_mail_statistics(data) == MailStatisticsReading(
        count_in=10,
        count_out=20,
        bytes_in=30,
        bytes_out=40,
        spam_in=5,
        spam_out=6,
        virus_in=7,
        virus_out=8,
        bounces_in=9,
        bounces_out=1,
        junk_in=2,
        greylisted=3,
        spf_rejects=11,
        rbl_rejects=4,
        average_seconds=0.75,
    )


@pytest.mark.parametrize("average", [None, -1, "x"])
def test_a_figure_that_is_null_or_lies_is_unknown_and_not_zero(average: object) -> None:
    reading = mail.read_mail_statistics({"count_in": 0, "spfcount": None, "avptime": average})

    assert reading == MailStatisticsReading(count_in=0)


@pytest.mark.parametrize("data", [None, [], {}])
def test_statistics_that_are_none_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        mail.read_mail_statistics(data)


def gateway(link: Link) -> None:
    """A script that hands out a ticket and answers what carries it in the cookie of a gateway."""
    while request := link.request():
        if request.startswith(b"POST"):
            link.answer(json.dumps({"data": {"ticket": "PMG:audit@pmg:66F1::x+y"}}).encode())
        elif b"Cookie: PMGAuthCookie=PMG%3Aaudit%40pmg%3A66F1%3A%3Ax%2By\r\n" in request:
            link.answer(b'{"data":{"version":"9.1.0","release":"9.1"}}')
        else:
            link.answer(b"", "401 No ticket")


def test_a_gateway_is_asked_with_a_ticket_in_its_own_cookie() -> None:
    with scripted(gateway) as server, Client(server.target(PASSWORD, kind="pmg")) as client:
        reading = pve.version(client)

    assert reading.version == "9.1.0"
    assert server.requests[0].startswith(b"POST /api2/json/access/ticket HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "credential", [TOKEN, Credential(user="a@pmg", password="p", token_id="a@pmg!t", token_value="v")]
)
def test_a_token_for_a_gateway_is_refused_before_anything_is_sent(credential: Credential) -> None:
    with (
        scripted(gateway) as server,
        pytest.raises(LoginFailed, match=r"takes no API tokens\. Enter a user with the role audit"),
    ):
        ask(server.target(credential, kind="pmg"))

    assert server.requests == []


def test_a_second_factor_on_a_gateway_is_not_answered_with_advice_to_use_a_token() -> None:
    body = json.dumps({"data": {"NeedTFA": 1, "ticket": "PMG:!tfa!abc:66F1::x"}}).encode()
    with (
        scripted(always(body)) as server,
        pytest.raises(LoginFailed, match="Use an account without a second factor"),
    ):
        ask(server.target(PASSWORD, kind="pmg"))


def test_a_gateway_without_credential_is_told_what_to_enter() -> None:
    with scripted(gateway) as server, pytest.raises(LoginFailed, match="No credential is configured"):
        ask(server.target(Credential(), kind="pmg"))

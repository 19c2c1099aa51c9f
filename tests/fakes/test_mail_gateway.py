"""Proxmox Mail Gateway: tickets only, roles, status of nodes, queues, statistics."""

from __future__ import annotations

import pytest

from tests.fake_proxmox import FakeServer, PmgSite, PmgSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, post, ticket_header

QSHAPE = "/nodes/localhost/postfix/qshape"


def test_token_is_refused_with_the_words_of_the_product(fake_pmg: FakeServer) -> None:
    reply = get(fake_pmg, "/version", {"Authorization": "PMGAPIToken=pulse@pmg!monitor=x"})

    assert (reply.status, reply.reason, reply.body) == (401, "API tokens not implemented", b"")


def test_gateway_offers_no_token(fake_pmg: FakeServer) -> None:
    line = fake_pmg.site.describe()

    assert (line["kind"], line["tokenId"], line["tokenValue"], line["user"]) == ("pmg", "", "", "pulse@pmg")


def test_ticket_opens_and_names_the_role(fake_pmg: FakeServer) -> None:
    data = post(fake_pmg, "/access/ticket", {"username": fake_pmg.user, "password": fake_pmg.password}).data

    assert data["role"] == "audit"
    assert data["ticket"].startswith("PMG:pulse@pmg:")
    assert get(fake_pmg, "/version", ticket_header(fake_pmg)).data["version"] == "9.1.0"


def test_realm_may_stand_apart(fake_pmg: FakeServer) -> None:
    form = {"username": "pulse", "realm": "pmg", "password": fake_pmg.password}

    assert post(fake_pmg, "/access/ticket", form).data["username"] == "pulse@pmg"


def test_ticket_lives_two_hours(fake_pmg: FakeServer) -> None:
    header = ticket_header(fake_pmg)

    fake_pmg.clock.advance(7_199)
    before = get(fake_pmg, "/version", header).status
    fake_pmg.clock.advance(2)

    assert (before, get(fake_pmg, "/version", header).status) == (200, 401)


def test_cookie_of_another_product_is_nothing(fake_pmg: FakeServer) -> None:
    header = {"Cookie": ticket_header(fake_pmg)["Cookie"].replace("PMGAuthCookie", "PVEAuthCookie")}

    assert get(fake_pmg, "/version", header).status == 401


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("audit", [200, 200, 200]), ("qmanager", [200, 403, 200]), ("helpdesk", [403, 403, 403])],
)
def test_role_decides_what_may_be_read(fake_pmg: FakeServer, role: str, statuses: list[int]) -> None:
    fake_pmg.site.access.accounts[fake_pmg.user].role = role
    header = ticket_header(fake_pmg)

    paths = ("/nodes/localhost/status", QSHAPE, "/statistics/mail")

    assert [get(fake_pmg, path, header).status for path in paths] == statuses


def test_single_host_is_listed_only_if_asked_for(fake_pmg: FakeServer) -> None:
    header = ticket_header(fake_pmg)

    rows = get(fake_pmg, "/config/cluster/status?list_single_node=1", header).data

    assert get(fake_pmg, "/config/cluster/status", header).data == []
    assert [(row["name"], row["type"], row["cid"], row["insync"]) for row in rows] == [("mail", "-", 0, 1)]


def test_cluster_tells_each_node_or_why_it_is_not_reached() -> None:
    with virtual_estate(PmgSpec(name="mail", nodes=3)) as estate:
        site: PmgSite = estate.site("mail")
        site.set_node_metric("mail-02", insync=0)
        site.cut_off_node("mail-03", "500 Can't connect")
        rows = get(site.first, "/config/cluster/status", ticket_header(site.first)).data
        direct = get(site.first, "/nodes/mail-03/status", ticket_header(site.first))

    assert [(row["name"], row["type"], row.get("insync"), row.get("conn_error")) for row in rows] == [
        ("mail-01", "master", 1, None),
        ("mail-02", "node", 0, None),
        ("mail-03", "node", None, "500 Can't connect"),
    ]
    assert (direct.status, direct.reason) == (595, "500 Can't connect")


def test_status_has_load_as_text(fake_pmg: FakeServer) -> None:
    data = get(fake_pmg, "/nodes/localhost/status", ticket_header(fake_pmg)).data

    assert [type(load) for load in data["loadavg"]] == [str, str, str]
    assert data["pmgversion"] == "pmg-api/9.1.0/09158948b9568e81"
    assert 0 < data["memory"]["used"] < data["memory"]["total"]


def test_queue_counts_are_texts_and_the_first_row_is_the_sum(fake_pmg: FakeServer) -> None:
    fake_pmg.site.set_queue("deferred", [3, 0, 0, 0, 0, 0, 0, 0, 0, 8], domain="slow.example")

    rows = get(fake_pmg, QSHAPE, ticket_header(fake_pmg)).data

    assert rows[0] == {
        "domain": "TOTAL", "total": "32", "5m": "17", "10m": "0", "20m": "0", "40m": "0", "80m": "0", "160m": "0",
        "320m": "0", "640m": "0", "1280m": "0", "1280m+": "15",
    }  # fmt: skip
    assert [row["domain"] for row in rows[1:]] == ["example.org", "slow.example", "slow.example.com"]


@pytest.mark.parametrize(
    ("queue", "total"), [("active", "2"), ("incoming", "0"), ("hold", "0"), ("deferred", "21")]
)
def test_each_queue_is_a_call_of_its_own(fake_pmg: FakeServer, queue: str, total: str) -> None:
    rows = get(fake_pmg, f"{QSHAPE}?queue={queue}", ticket_header(fake_pmg)).data

    assert (rows[0]["domain"], rows[0]["total"]) == ("TOTAL", total)


def test_unknown_queue_is_a_400(fake_pmg: FakeServer) -> None:
    reply = get(fake_pmg, QSHAPE + "?queue=lost", ticket_header(fake_pmg))

    assert reply.status == 400
    assert '"queue":' in reply.text


def test_emptied_queue_has_a_row_of_zeros(fake_pmg: FakeServer) -> None:
    fake_pmg.site.set_queue("active", [], domain="example.net")

    rows = get(fake_pmg, QSHAPE + "?queue=active", ticket_header(fake_pmg)).data

    assert [(row["domain"], row["total"]) for row in rows] == [("TOTAL", "0")]


def test_statistics_count_from_midnight_on(fake_pmg: FakeServer) -> None:
    noon = get(fake_pmg, "/statistics/mail", ticket_header(fake_pmg)).data
    fake_pmg.clock.advance(3_600)
    later = get(fake_pmg, "/statistics/mail", ticket_header(fake_pmg)).data
    fake_pmg.clock.advance(11 * 3_600)
    midnight = get(fake_pmg, "/statistics/mail", ticket_header(fake_pmg)).data

    assert 2_000 < noon["count_in"] < later["count_in"] < 9_000
    assert midnight["count_in"] == 0
    assert noon["count"] == noon["count_in"] + noon["count_out"]


def test_statistics_of_yesterday_can_be_asked_for(fake_pmg: FakeServer) -> None:
    path = "/statistics/mail?year=2025&month=12&day=31"

    data = get(fake_pmg, path, ticket_header(fake_pmg)).data

    assert 8_000 < data["count_in"] < 10_000


def test_statistics_can_be_set(fake_pmg: FakeServer) -> None:
    fake_pmg.site.set_mail(spamcount_in=4_711)

    assert get(fake_pmg, "/statistics/mail", ticket_header(fake_pmg)).data["spamcount_in"] == 4_711


def test_nodes_of_a_gateway_listen_on_one_port() -> None:
    with virtual_estate(PmgSpec(name="mail", nodes=2)) as estate:
        servers = estate.servers
        answers = [get(server, "/version", ticket_header(server)).status for server in servers]

    assert [server.host for server in servers] == ["127.0.0.2", "127.0.0.3"]
    assert len({server.port for server in servers}) == 1
    assert answers == [200, 200]

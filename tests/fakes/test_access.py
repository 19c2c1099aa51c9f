"""Credentials and rights of the fake."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from tests.fake_proxmox import FakeEstate, FakeServer, ManualClock, PbsSpec, PveSite, PveSpec
from tests.fakes.raw import get, post, rows, token_header


def _ticket(server: FakeServer, password: str = "") -> str:
    form = {"username": server.user, "password": password or server.password}
    return str(post(server, "/access/ticket", form).data["ticket"])


def _cookie(server: FakeServer, ticket: str) -> dict[str, str]:
    return {"Cookie": f"{server.kind.upper()}AuthCookie={quote(ticket, safe='')}"}


def test_pve_token_stands_behind_an_equals_sign(fake_pve: FakeServer) -> None:
    wrong = {"Authorization": f"PVEAPIToken={fake_pve.token_id}:{fake_pve.token_value}"}

    assert get(fake_pve, "/version").status == 200
    assert get(fake_pve, "/version", wrong).status == 401


def test_pbs_token_stands_behind_a_colon(fake_pbs: FakeServer) -> None:
    wrong = {"Authorization": f"PBSAPIToken={fake_pbs.token_id}={fake_pbs.token_value}"}

    assert get(fake_pbs, "/version").status == 200
    assert get(fake_pbs, "/version", wrong).status == 401


def test_token_scheme_may_be_followed_by_a_blank(fake_pve: FakeServer) -> None:
    header = {"Authorization": f"PVEAPIToken {fake_pve.token_id}={fake_pve.token_value}"}

    assert get(fake_pve, "/version", header).status == 200


@pytest.mark.parametrize(
    ("token_id", "value", "reason"),
    [
        ("", "wrong", "invalid token value!"),
        ("pulse@pve!nobody", "x", "no such token 'nobody'"),
        ("pulse@pve", "x", "no such token ''"),
    ],
)
def test_bad_token_gets_401_without_a_body(
    fake_pve: FakeServer, token_id: str, value: str, reason: str
) -> None:
    reply = get(fake_pve, "/version", token_header(fake_pve, token_id, value))

    assert (reply.status, reply.reason, reply.body) == (401, reason, b"")


def test_no_credential_gets_401(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/version", {})

    assert (reply.status, reply.reason, reply.body) == (401, "No ticket", b"")


def test_stranger_does_not_learn_which_calls_there_are(fake_pve: FakeServer) -> None:
    assert get(fake_pve, "/no/such/call", {}).status == 401


def test_answer_401_is_delayed() -> None:
    with FakeEstate(PveSpec(), clock=ManualClock(), unauthorized_delay_seconds=0.3) as estate:
        began_at = time.monotonic()
        reply = get(estate.servers[0], "/version", {})

    assert reply.status == 401
    assert time.monotonic() - began_at >= 0.3


def test_delay_of_401_is_three_seconds_by_default() -> None:
    assert FakeEstate().unauthorized_delay_seconds == 3.0


@pytest.mark.parametrize("fixture", ["fake_pve", "fake_pbs"])
def test_ticket_opens_the_api_as_an_encoded_cookie(request: pytest.FixtureRequest, fixture: str) -> None:
    server = request.getfixturevalue(fixture)

    assert get(server, "/version", _cookie(server, _ticket(server))).status == 200


def test_pbs_ticket_may_come_in_the_new_cookie(fake_pbs: FakeServer) -> None:
    cookie = f"__Host-PBSAuthCookie={quote(_ticket(fake_pbs), safe='')}"

    assert get(fake_pbs, "/version", {"Cookie": cookie}).status == 200


def test_ticket_ends_after_two_hours(fake_pve: FakeServer) -> None:
    ticket = _ticket(fake_pve)

    fake_pve.clock.advance(7_199)
    before = get(fake_pve, "/version", _cookie(fake_pve, ticket))
    fake_pve.clock.advance(1)
    after = get(fake_pve, "/version", _cookie(fake_pve, ticket))

    assert (before.status, after.status) == (200, 401)


def test_old_ticket_renews_itself_as_the_password(fake_pve: FakeServer) -> None:
    first = _ticket(fake_pve)
    fake_pve.clock.advance(7_000)

    second = _ticket(fake_pve, password=first)
    fake_pve.clock.advance(7_000)

    assert get(fake_pve, "/version", _cookie(fake_pve, second)).status == 200


def test_forged_ticket_is_refused(fake_pve: FakeServer) -> None:
    forged = _ticket(fake_pve).replace("pulse@pve", "root@pam")

    assert get(fake_pve, "/version", _cookie(fake_pve, forged)).status == 401


def test_stale_cookie_wins_over_a_good_token(fake_pve: FakeServer) -> None:
    headers = token_header(fake_pve) | {"Cookie": "PVEAuthCookie=PVE%3Aold"}

    assert get(fake_pve, "/version", headers).status == 401


def test_wrong_password_gets_401_with_an_empty_envelope(fake_pve: FakeServer) -> None:
    reply = post(fake_pve, "/access/ticket", {"username": fake_pve.user, "password": "wrong"})

    assert (reply.status, reply.reason, reply.data) == (401, "authentication failure", None)


def test_login_without_password_names_the_missing_parameter(fake_pve: FakeServer) -> None:
    reply = post(fake_pve, "/access/ticket", {"username": fake_pve.user})

    assert reply.status == 400
    assert '"password":"property is missing and it is not optional"' in reply.text


def test_ticket_of_a_cluster_tells_its_name(fake_cluster: PveSite) -> None:
    form = {"username": fake_cluster.user, "password": fake_cluster.password}

    assert post(fake_cluster.first, "/access/ticket", form).data["clustername"] == "production"


def test_second_factor_gets_half_a_ticket_first(fake_pve: FakeServer) -> None:
    fake_pve.site.access.accounts[fake_pve.user].needs_second_factor = True
    form = {"username": fake_pve.user, "password": fake_pve.password}

    first = post(fake_pve, "/access/ticket", form).data
    challenge = {"username": fake_pve.user, "password": "totp:123456", "tfa-challenge": first["ticket"]}
    second = post(fake_pve, "/access/ticket", challenge).data

    assert first["NeedTFA"] == 1
    assert get(fake_pve, "/version", _cookie(fake_pve, first["ticket"])).status == 401
    assert get(fake_pve, "/version", _cookie(fake_pve, second["ticket"])).status == 200


def test_fresh_token_sees_no_guests_and_no_figures_with_status_200(fake_pve: FakeServer) -> None:
    token = fake_pve.site.add_token("fresh", {})

    reply = get(fake_pve, "/cluster/resources", token_header(fake_pve, *token))

    assert reply.status == 200
    assert reply.data == [
        {
            "id": "node/pve",
            "type": "node",
            "node": "pve",
            "status": "online",
            "level": "",
            "cgroup-mode": 2,
        }
    ]


def test_token_with_one_guest_sees_that_guest(fake_pve: FakeServer) -> None:
    token = fake_pve.site.add_token("one", {"/vms/101": ["VM.Audit"], "/storage/local": ["Datastore.Audit"]})

    data = get(fake_pve, "/cluster/resources", token_header(fake_pve, *token)).data

    assert [row["id"] for row in data] == ["qemu/101", "node/pve", "storage/pve/local"]


def test_right_on_a_pool_shows_its_members(fake_cluster: PveSite) -> None:
    fake_cluster.change_guest(103, pool="mine")
    token = fake_cluster.add_token("pool", {"/pool/mine": ["VM.Audit"]})

    data = get(
        fake_cluster.first, "/cluster/resources?type=vm", token_header(fake_cluster.first, *token)
    ).data

    assert [row["vmid"] for row in data] == [103]


def test_deeper_access_entry_replaces_the_inherited_one(fake_pve: FakeServer) -> None:
    token = fake_pve.site.add_token("hidden", {"/": ["VM.Audit"], "/vms/101": []})

    data = get(fake_pve, "/cluster/resources?type=vm", token_header(fake_pve, *token)).data

    assert 101 not in [row["vmid"] for row in data]
    assert len(data) == 13


def test_missing_privilege_is_named_with_its_path(fake_pve: FakeServer) -> None:
    token = fake_pve.site.add_token("narrow", {"/": ["VM.Audit"]})

    reply = get(fake_pve, "/cluster/status", token_header(fake_pve, *token))

    assert (reply.status, reply.reason) == (403, "Permission check failed (/, Sys.Audit)")
    assert reply.data is None


def test_permissions_list_what_the_token_may(fake_pve: FakeServer) -> None:
    token = fake_pve.site.add_token("narrow", {"/vms": ["VM.Audit"]})

    data = get(fake_pve, "/access/permissions", token_header(fake_pve, *token)).data

    assert data == {"/vms": {"VM.Audit": 1}}


def test_revoked_token_is_refused(fake_pve: FakeServer) -> None:
    fake_pve.site.revoke_token(fake_pve.token_id)

    assert get(fake_pve, "/version").status == 401


def test_expired_token_is_refused(fake_pve: FakeServer) -> None:
    token = fake_pve.site.add_token("short", {"/": []}, expires_at=fake_pve.clock.now() + 60)

    before = get(fake_pve, "/version", token_header(fake_pve, *token)).status
    fake_pve.clock.advance(61)
    after = get(fake_pve, "/version", token_header(fake_pve, *token))

    assert (before, after.status, after.reason) == (200, 401, "token expired")


def test_pbs_nodes_are_for_root_only(fake_pbs: FakeServer) -> None:
    root = fake_pbs.site.access.accounts["root@pam"]
    form = {"username": "root@pam", "password": root.secret}
    ticket = post(fake_pbs, "/access/ticket", form).data["ticket"]

    assert get(fake_pbs, "/nodes").status == 403
    assert get(fake_pbs, "/nodes", _cookie(fake_pbs, ticket)).data == [{"node": "localhost"}]


def test_pbs_ping_needs_no_login(fake_pbs: FakeServer) -> None:
    assert get(fake_pbs, "/ping", {}).data == {"pong": True}


def test_pbs_lists_only_datastores_that_may_be_seen(fake_pbs: FakeServer) -> None:
    token = fake_pbs.site.add_token("one", {"/datastore/archive": ["Datastore.Audit"]})
    header = token_header(fake_pbs, *token)

    assert [row["store"] for row in get(fake_pbs, "/admin/datastore", header).data] == ["archive"]
    assert [row["store"] for row in get(fake_pbs, "/status/datastore-usage", header).data] == ["archive"]
    assert get(fake_pbs, "/nodes/localhost/status", header).status == 403


def test_two_instances_do_not_share_credentials() -> None:
    with FakeEstate(
        PveSpec(name="one"), PveSpec(name="two"), PbsSpec(), clock=ManualClock(), unauthorized_delay_seconds=0
    ) as estate:
        one, two = estate.servers[:2]
        status = get(two, "/version", token_header(two, one.token_id, one.token_value)).status

    assert status == 401


def test_rows_of_a_limited_token_do_not_leak_into_those_of_a_full_one(fake_pve: FakeServer) -> None:
    token = fake_pve.site.add_token("fresh", {})
    get(fake_pve, "/cluster/resources", token_header(fake_pve, *token))

    assert len(rows(fake_pve, "guest")) == 14

"""A stored secret goes to the host that it was given for, and to nobody else, whatever somebody asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from django.core.cache import caches
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nodes.models import Instance
from tests.authorities import Authority, Root
from tests.factories import make_instance
from tests.fake_proxmox.certificates import Certificate, certificate
from tests.fake_proxmox.server import FakeServer
from tests.nodes.servers import ScriptedServer, always, scripted
from tests.probing import FINGERPRINT

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NODES = "/api/config/nodes"
SECRET = "canary-stored-secret"
OTHER_PIN = "cd" * 32
PVE = "https://192.0.2.10:8006"


@pytest.fixture
def api() -> Client:
    """A caller on this machine."""
    caches["limits"].clear()
    return Client(HTTP_HOST="localhost")


def put(api, body, node_id="pve-0"):
    return api.put(f"{NODES}/{node_id}", json.dumps(body), content_type="application/json")


def rows():
    return list(Instance.objects.order_by("pk").values())


# --- what demands it again, and what does not ---------------------------------------------------------------------------

PINNED = {"fingerprint": FINGERPRINT}
LEARNED = {"fingerprint": FINGERPRINT, "is_fingerprint_learned": True}
VERIFIED = {"verify_tls": True}
WAS_LEARNED = {"verify_tls": True, "former_fingerprint": FINGERPRINT}
TO_BE_LEARNED = {"is_fingerprint_learned": True}

DEMANDED = {
    "another host": ({}, {"host": "https://192.0.2.66:8006"}),
    "another host that shows the same certificate": (
        PINNED,
        {"host": "pve1.lab", "fingerprint": FINGERPRINT},
    ),
    "another host that is verified": (VERIFIED, {"host": "pve1.lab", "verifySSL": True}),
    "another port": ({}, {"host": "192.0.2.10:9000"}),
    "another scheme": ({}, {"host": "http://192.0.2.10:8006"}),
    "a name in place of the address": ({}, {"host": "localhost.lab"}),
    "a placeholder for the secret": ({}, {"host": "192.0.2.66", "tokenValue": "********"}),
    "blanks for the secret": ({}, {"host": "192.0.2.66", "tokenValue": "   "}),
    "another name of the token": ({}, {"host": "192.0.2.66", "tokenName": "root@pam!other"}),
    "a password beside the kept token": (
        {},
        {"host": "192.0.2.66", "tokenName": "root@pam!other", "user": "root@pam", "password": "typed"},
    ),
    "a user that takes over a stored password": (
        {"password": SECRET, "token_value": ""},
        {"host": "192.0.2.66", "user": "root@pam"},
    ),
    "a confirmed pin taken away": (PINNED, {"fingerprint": ""}),
    "a confirmed pin given up for the authorities": (PINNED, {"fingerprint": "", "verifySSL": True}),
    "a confirmed pin replaced": (PINNED, {"fingerprint": OTHER_PIN}),
    "a learned pin taken away": (LEARNED, {"fingerprint": ""}),
    "a learned pin replaced": (LEARNED, {"fingerprint": OTHER_PIN}),
    "the authorities switched off": (VERIFIED, {"verifySSL": False}),
    "a pin in place of the authorities": (VERIFIED, {"fingerprint": OTHER_PIN, "verifySSL": False}),
    "another pin than the former one": (WAS_LEARNED, {"fingerprint": OTHER_PIN, "verifySSL": False}),
}


@pytest.mark.parametrize(("stored", "body"), DEMANDED.values(), ids=DEMANDED)
def test_what_would_send_it_elsewhere_demands_it_again(api, host_probe, stored, body):
    make_instance(**{"token_value": SECRET, "host": PVE, **stored})
    before = rows()

    response = put(api, body | {"name": "renamed"})

    assert response.status_code == 400
    (field,) = response.json()["details"]
    assert field == ("password" if "password" in stored else "tokenValue")
    assert f"{field} is required again" in response.json()["error"]
    assert rows() == before
    assert host_probe.call_count == 0


@pytest.mark.parametrize(("stored", "body"), DEMANDED.values(), ids=DEMANDED)
def test_with_the_secret_in_the_same_request_it_is_done(api, host_probe, stored, body):
    make_instance(**{"token_value": SECRET, "host": PVE, **stored})
    given = {"password": "typed"} if "password" in stored else {"tokenValue": "typed"}

    response = put(api, body | given)

    assert response.status_code == 200
    assert all(
        SECRET not in (call.args[0].credential.password, call.args[0].credential.token_value)
        for call in host_probe.call_args_list
    )


KEPT = {
    "nothing": ({}, {}),
    "another name": (PINNED, {"name": "renamed"}),
    "flags": (PINNED, {"monitorVMs": False}),
    "the same host": ({}, {"host": PVE}),
    "the same host in another spelling": ({}, {"host": " HTTPS://192.0.2.10/#v1 "}),
    "the same host with its default port": ({"host": "https://pve1.lab:8006"}, {"host": "PVE1.Lab."}),
    "the default port of http": ({"host": "http://pve1.lab"}, {"host": "http://pve1.lab:80"}),
    "the same pin in another spelling": (PINNED, {"fingerprint": ":".join(["AB"] * 32), "verifySSL": False}),
    "a pin where none was": ({}, {"fingerprint": FINGERPRINT}),
    "a pin where one was to be learned": (TO_BE_LEARNED, {"fingerprint": FINGERPRINT}),
    "the authorities where nothing was checked": ({}, {"verifySSL": True}),
    "the authorities for a learned pin": (LEARNED, {"fingerprint": FINGERPRINT, "verifySSL": True}),
    "the authorities beside a confirmed pin": (PINNED, {"verifySSL": True}),
    "the former pin back": (WAS_LEARNED, {"fingerprint": "", "verifySSL": False}),
    "the former pin confirmed": (WAS_LEARNED, {"fingerprint": FINGERPRINT, "verifySSL": False}),
    "another name of the token at the same host": (PINNED, {"tokenName": "root@pam!other"}),
}


@pytest.mark.parametrize(("stored", "body"), KEPT.values(), ids=KEPT)
def test_what_changes_nothing_about_who_gets_it_does_not_demand_it(api, host_probe, stored, body):
    instance = make_instance(**{"token_value": SECRET, "host": PVE, **stored})

    response = put(api, body)

    sealed_before = instance.sealed_token
    instance.refresh_from_db()
    assert (response.status_code, instance.sealed_token) == (200, sealed_before)


@pytest.mark.parametrize("path", ["test-connection", "test-config"])
@pytest.mark.parametrize("more", [{}, {"tokenValue": "****"}, {"tokenValue": "typed"}], ids=str)
def test_a_test_with_a_stored_id_and_another_host_does_not_use_the_stored_secret(api, host_probe, path, more):
    make_instance(token_value=SECRET, host=PVE)
    body = {"id": "pve-0", "type": "pve", "host": "192.0.2.66", "tokenName": "pulse@pam!pulse", **more}

    api.post(f"{NODES}/{path}", json.dumps(body), content_type="application/json")
    api.post(f"{NODES}/pve-0/test", json.dumps(body), content_type="application/json")

    called = [(call.args[0].url, call.args[0].credential.token_value) for call in host_probe.call_args_list]
    typed = [("https://192.0.2.66:8006", "typed")] if more.get("tokenValue") == "typed" else []
    assert called == [*typed, (PVE, SECRET)]


def test_a_host_that_is_added_again_replaces_the_stored_secret(api, host_probe):
    make_instance(token_value=SECRET, host=PVE, **PINNED)
    body = {
        "type": "pve",
        "host": PVE,
        "tokenName": "a@pam!t",
        "tokenValue": "typed",
        "fingerprint": OTHER_PIN,
    }

    response = api.post(NODES, json.dumps(body), content_type="application/json")

    (call,) = host_probe.call_args_list
    assert response.status_code == 200
    assert (call.args[0].credential.token_value, call.args[0].fingerprint) == ("typed", OTHER_PIN)


# --- whatever the body ----------------------------------------------------------------------------------------------------


@dataclass
class Servers:
    """Where the secret belongs is not among them: all they get of it is too much."""

    elsewhere: ScriptedServer  # another address
    between: ScriptedServer  # the right address, with another certificate

    @property
    def heard(self) -> bytes:
        """Everything that both were sent."""
        return b"".join([*self.elsewhere.requests, *self.between.requests])


@pytest.fixture
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(
            *(stack.enter_context(scripted(always(b'{"data":[]}'))) for _ in range(2)),
        )


def bodies() -> st.SearchStrategy[dict[str, object]]:
    """Bodies of a change; `HERE` and `ELSEWHERE` stand for addresses that are known later."""
    hosts = st.sampled_from(
        ["HERE", "ELSEWHERE", "localhost:ELSEWHERE", "http:HERE", "http:ELSEWHERE", "", None]
    )
    pins = st.sampled_from(["", FINGERPRINT, "SHOWN", OTHER_PIN, None])
    secrets = st.sampled_from(["", "****", "\u2022\u2022\u2022", " ", "typed", None])
    return st.fixed_dictionaries(
        {},
        optional={
            "host": hosts,
            "fingerprint": pins,
            "verifySSL": st.sampled_from([True, False, None]),
            "tokenName": st.sampled_from(["pulse@pam!pulse", "root@pam!other", "", None]),
            "tokenValue": secrets,
            "user": st.sampled_from(["root@pam", "", None]),
            "password": secrets,
            "name": st.sampled_from(["lab", "renamed"]),
            "id": st.sampled_from(["pve-0", "pve-7"]),
        },
    )


def spelled(servers: Servers, body: dict[str, object]) -> dict[str, object]:
    """Return the body with the addresses and the certificate in it."""
    here, elsewhere = servers.between.port, servers.elsewhere.port
    hosts = {
        "HERE": f"https://127.0.0.1:{here}/",
        "ELSEWHERE": f"127.0.0.1:{elsewhere}",
        "localhost:ELSEWHERE": f"https://localhost:{elsewhere}",
        "http:HERE": f"http://127.0.0.1:{here}",
        "http:ELSEWHERE": f"http://127.0.0.1:{elsewhere}",
    }
    shown = certificate("pve", "scripted", "127.0.0.1").fingerprint
    return body | {
        key: {**hosts, "SHOWN": shown}.get(body[key], body[key])
        for key in ("host", "fingerprint")
        if key in body
    }


TRUSTS = [PINNED, LEARNED, VERIFIED, WAS_LEARNED]


@given(
    trust=st.sampled_from(TRUSTS),
    is_password=st.booleans(),
    asked=st.lists(bodies(), min_size=1, max_size=3),
)
@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_asked_for_the_secret_stays_with_its_host(servers, api, trust, is_password, asked):
    Instance.objects.all().delete()
    caches["limits"].clear()
    secret = {"password": SECRET} if is_password else {"token_value": SECRET}
    make_instance(host=servers.between.url, **secret, **trust)

    for body in asked:
        put(api, spelled(servers, body))
        api.post(f"{NODES}/pve-0/test")
        test = {"type": "pve", "host": servers.elsewhere.url} | spelled(servers, body)
        api.post(f"{NODES}/test-connection", json.dumps(test), content_type="application/json")

    assert SECRET.encode() not in servers.heard


def test_a_stored_secret_would_be_heard_where_nothing_is_checked(servers, api):
    make_instance(host=servers.between.url, token_value=SECRET)

    api.post(f"{NODES}/pve-0/test")

    assert SECRET.encode() in servers.heard


# --- verifySSL on and off again --------------------------------------------------------------------------------------------


@pytest.fixture
def vouched(fake_pve: FakeServer, authority: Authority) -> FakeServer:
    """A host whose certificate this machine trusts."""
    root = Root(authority.key, authority.certificate, authority.folder)
    served = root.signs()
    fake_pve.show(Certificate(served.context, served.pem, served.fingerprint), authority_pem=root.pem)
    return fake_pve


def own_secret(server):
    return {"tokenName": server.token_id, "tokenValue": server.token_value}


def trust_of(instance):
    instance.refresh_from_db()
    return instance.fingerprint, instance.is_fingerprint_learned, instance.is_tls_unchecked


def test_the_learned_pin_comes_back_when_the_authorities_decide_no_longer(api, vouched):
    body = {"type": "pve", "host": vouched.url} | own_secret(vouched)
    api.post(NODES, json.dumps(body), content_type="application/json")
    instance = Instance.objects.get()
    learned = trust_of(instance)

    put(api, {"fingerprint": learned[0], "verifySSL": True})
    verified = trust_of(instance)
    tested = api.post(f"{NODES}/pve-0/test").json()
    put(api, {"fingerprint": "", "verifySSL": False})

    assert learned == (vouched.fingerprint, True, False)
    assert (verified, tested["status"]) == (("", False, False), "success")
    assert trust_of(instance) == learned


def test_once_the_former_pin_is_back_another_certificate_gets_no_byte(api, vouched):
    instance = make_instance(host=vouched.url, token_value=SECRET, **WAS_LEARNED)
    vouched.traffic.reset()

    put(api, {"verifySSL": False})
    tested = api.post(f"{NODES}/pve-0/test").json()

    assert trust_of(instance) == (FINGERPRINT, True, False)
    assert "another certificate" in tested["message"]
    assert vouched.traffic.snapshot()["requests"] == {}


def test_without_a_former_pin_the_certificate_is_learned_with_the_secret_given_again(api, vouched):
    instance = make_instance(host=vouched.url, token_value=SECRET, verify_tls=True)

    refused = put(api, {"verifySSL": False})
    taken = put(api, {"verifySSL": False} | own_secret(vouched))

    assert (refused.status_code, taken.status_code) == (400, 200)
    assert trust_of(instance) == (vouched.fingerprint, True, False)


def test_a_silent_host_is_learned_at_its_next_answer(api, host_probe):
    instance = make_instance(token_value=SECRET, verify_tls=True)

    put(api, {"verifySSL": False, "tokenValue": "typed"})

    assert trust_of(instance) == ("", True, True)  # unchecked until then, and told so


def test_the_former_pin_of_one_host_is_none_of_another(api, host_probe):
    instance = make_instance(host=PVE, token_value=SECRET, **WAS_LEARNED)

    put(api, {"host": "192.0.2.66", "verifySSL": False, "tokenValue": "typed"})

    instance.refresh_from_db()
    assert (instance.fingerprint, instance.former_fingerprint, instance.is_fingerprint_learned) == (
        "",
        "",
        True,
    )


def test_a_host_that_gets_tls_is_learned_as_a_new_one(api, host_probe):
    instance = make_instance(host="http://192.0.2.10:8006", token_value=SECRET)

    put(api, {"host": PVE, "tokenValue": "typed"})

    assert trust_of(instance)[:2] == ("", True)


def test_a_learned_pin_does_not_outlive_tls(api, host_probe):
    instance = make_instance(host=PVE, token_value=SECRET, **LEARNED)

    put(api, {"host": "http://192.0.2.10:8006", "tokenValue": "typed"})

    assert trust_of(instance) == ("", False, True)


# --- verifySSL off, no pin (A34) --------------------------------------------------------------------------------------------


def test_a_host_that_nobody_confirmed_is_marked_until_its_first_answer_and_then_pinned(api, fake_pve):
    body = {"type": "pve", "host": fake_pve.url, "verifySSL": False, **own_secret(fake_pve)}
    fake_pve.faults.add("down")
    api.post(NODES, json.dumps(body), content_type="application/json")
    silent = api.get(NODES).json()[0]
    fake_pve.faults.clear()

    api.put(f"{NODES}/pve-0", json.dumps(own_secret(fake_pve)))
    answered = api.get(NODES).json()[0]
    fake_pve.renew_certificate()
    fake_pve.traffic.reset()
    changed = api.post(f"{NODES}/pve-0/test").json()

    assert (silent["tlsUnchecked"], "fingerprint" in silent) == (True, False)
    assert (answered["tlsUnchecked"], answered["fingerprintLearned"]) == (False, True)
    assert "another certificate" in changed["message"]
    assert fake_pve.traffic.snapshot()["requests"] == {}

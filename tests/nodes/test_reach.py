"""A host is no way to call what only this machine reaches: whatever the spelling, and whatever its name stands for (A35, A36)."""

from __future__ import annotations

import ipaddress
import json
import socket
import warnings
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client

from nodes import configuring, connecting, editing, probe, reach
from nodes.drafts import Draft, NotValid
from nodes.models import AddressRule, Instance
from nodes.proxmox.errors import AddressRefused, ProxmoxError, Refused
from pulse.lib.outbound import names
from pulse.lib.outbound.policy import AddressPolicy
from tests.factories import make_endpoint, make_instance
from tests.nodes.servers import always, scripted

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NODES = "/api/config/nodes"
SECRET = "canary-secret"

#: What must never be called, by what it is; each is spelled in all the ways below.
FORBIDDEN_IPV4 = (
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "0.0.0.0",
)
FORBIDDEN_IPV6 = (
    "::1",
    "0:0:0:0:0:0:0:1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "FD00:0EC2::0254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
)
FORBIDDEN_NAMES = ("localhost", "LOCALHOST", "localhost.", "ip6-localhost", "ip6-loopback", "a.localhost")


def spellings(address: str) -> Iterator[str]:
    """The ways to write an IPv4 address that some resolver or URL parser somewhere takes."""
    bits = int(ipaddress.IPv4Address(address))
    one, two, three, four = (bits >> shift & 255 for shift in (24, 16, 8, 0))
    yield from (address, f"{address}.", f" {address} ", f"root@{address}", f"root:x@{address}")
    yield from (f"{bits}", f"0x{bits:x}", f"0X{bits:X}", f"0{bits:o}", f"{bits + (1 << 32)}")
    yield from (f"{one}.{bits & 0xFFFFFF}", f"{one}.{two}.{bits & 0xFFFF}", f"0x{one:x}.{bits & 0xFFFFFF}")
    yield from (f"0x{one:x}.0x{two:x}.0x{three:x}.0x{four:x}", f"0{one:o}.0{two:o}.0{three:o}.0{four:o}")
    yield from (f"{one:03d}.{two:03d}.{three:03d}.{four:03d}", f"0{one:o}.{two}.0x{three:x}.{four}")
    yield from (
        address.replace(".", "\u3002"),
        address.replace(".", "\uff0e"),
        address.replace(".", "\uff61"),
    )
    yield address.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})
    yield "".join(f"%{ord(character):02x}" for character in address)
    for embedded in (
        f"::ffff:{address}",
        f"::ffff:0:{address}",
        f"::{address}",
        f"64:ff9b::{address}",
        f"64:ff9b:1::{address}",
        f"2002:{bits >> 16:x}:{bits & 0xFFFF:x}::1",
        f"2001:0:{bits >> 16:x}:{bits & 0xFFFF:x}::",
        f"2001:0:102:304:0:0:{~bits >> 16 & 0xFFFF:x}:{~bits & 0xFFFF:x}",
        f"2001:db8::5efe:{address}",
    ):
        yield from (embedded, f"[{embedded}]", f"[{embedded}]:8006")


CORPUS = tuple(
    dict.fromkeys(
        [
            *(spelling for address in FORBIDDEN_IPV4 for spelling in spellings(address)),
            *(f"[{address}]" for address in FORBIDDEN_IPV6),
            *FORBIDDEN_NAMES,
        ]
    )
)


@pytest.fixture
def no_connection(monkeypatch):
    """The addresses to which a connection was tried; none of them is called."""
    tried = []

    def connect(address, *_, **__):
        tried.append(address)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    return tried


@pytest.fixture
def resolver(monkeypatch):
    """What names stand for now: a list of addresses, the next one for each look-up; and which were asked for."""
    answers: dict[str, list[list[str]]] = {}
    asked: list[str] = []
    system = socket.getaddrinfo

    def getaddrinfo(host, *args, **options):
        if host not in answers:
            return system(host, *args, **options)
        asked.append(host)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0))
            for one in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    names.forget()
    answers["asked"] = asked  # type: ignore[assignment]
    yield answers
    names.forget()


@pytest.fixture
def api() -> Client:
    """A caller on this machine."""
    caches["limits"].clear()
    return Client(HTTP_HOST="localhost")


def draft(host, **more):
    return Draft(kind="pve", host=host, token_id="a@pam!t", token_value=SECRET, **more)


def post(api, path, body):
    return api.post(path, json.dumps(body), content_type="application/json")


def test_the_corpus_is_large():
    assert len(CORPUS) > 300


def test_no_spelling_of_a_forbidden_address_opens_a_socket(loopback_is_refused, no_connection, resolver):
    def refused(host: str) -> bool:
        try:
            probe.probe(configuring.target_of(draft(host)), timeout_seconds=2)
        except (NotValid, AddressRefused):
            return True
        except ProxmoxError:
            return False
        return False

    assert [host for host in CORPUS if not refused(host)] == []
    assert no_connection == []


@pytest.mark.parametrize("path", [NODES, f"{NODES}/test-connection", f"{NODES}/certificate"])
@pytest.mark.parametrize("host", ["127.0.0.1", "https://localhost:8006", "[::1]", "[::ffff:7f00:1]"])
def test_this_machine_is_refused_with_the_way_to_allow_it(
    api, loopback_is_refused, no_connection, path, host
):
    body = {"type": "pve", "host": host, "tokenName": "a@pam!t", "tokenValue": SECRET}

    response = post(api, path, body)

    assert response.status_code == 400
    assert "is this machine itself" in response.json()["error"]
    assert "pulse instance allow-loopback" in response.json()["error"]
    assert response.json()["details"].keys() == {"host"}
    assert not Instance.objects.exists()
    assert no_connection == []


def test_no_request_allows_it(api, loopback_is_refused, no_connection):
    body = {"type": "pve", "host": "127.0.0.1", "tokenName": "a@pam!t", "tokenValue": SECRET}

    response = post(api, NODES, body | {"allowsLoopback": True, "allows_loopback": True, "policy": "any"})

    assert response.status_code == 400
    assert not AddressRule.objects.filter(allows_loopback=True).exists()


def test_a_change_to_this_machine_is_refused_and_other_changes_are_not(api, loopback_is_refused, host_probe):
    make_instance(host="https://127.0.0.1:8006")
    make_instance(host="https://192.0.2.10:8006")

    moved = api.put(f"{NODES}/pve-1", json.dumps({"host": "127.0.0.1", "tokenValue": "again"}))
    renamed = api.put(f"{NODES}/pve-0", json.dumps({"name": "here", "host": "https://127.0.0.1:8006"}))

    assert (moved.status_code, renamed.status_code) == (400, 200)


def test_a_stored_host_on_this_machine_is_called_no_longer_once_that_is_refused():
    with scripted(always(b'{"data":[]}')) as server:
        instance = make_instance(host=server.url)
        connection = connecting.connection_for(instance)
        connection.ask(lambda client: client.get("/version"))
        heard = server.received_bytes

        call_command("instance", "refuse-loopback")
        instance.refresh_from_db()
        with pytest.raises(AddressRefused, match="pulse instance allow-loopback"):
            connecting.connection_for(instance).ask(lambda client: client.get("/version"))
        call_command("instance", "allow-loopback")
        instance.refresh_from_db()
        connecting.connection_for(instance).ask(lambda client: client.get("/version"))

        assert heard > 0
        assert server.connections == 2
    connecting.forget(instance.pk)


def test_deciding_the_same_again_disturbs_no_connection():
    instance = make_instance()

    editing.allow_loopback(is_allowed=True)

    instance.refresh_from_db()
    assert instance.version == 1


# --- names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd20:ce::254", "0.0.0.0"],
)
def test_a_name_that_leads_to_a_forbidden_address_is_not_called(
    api, loopback_is_refused, no_connection, resolver, address
):
    resolver["pve1.lab"] = [[address]]

    response = post(
        api,
        f"{NODES}/test-connection",
        {"type": "pve", "host": "pve1.lab", "tokenName": "a@pam!t", "tokenValue": SECRET},
    )

    assert (response.status_code, response.json()["code"]) == (400, "connection_failed")
    assert f"pve1.lab leads to {address}, which" in response.json()["error"]
    assert no_connection == []


def test_a_name_is_looked_up_once_and_the_address_that_was_judged_is_called(
    loopback_is_refused, no_connection, resolver
):
    resolver["pve1.lab"] = [["192.0.2.10"], ["127.0.0.1"]]

    with pytest.raises(Refused):
        probe.probe(configuring.target_of(draft("pve1.lab")), timeout_seconds=2)

    assert resolver["asked"] == ["pve1.lab"]
    assert no_connection == [("192.0.2.10", 8006)]


def test_a_member_on_this_machine_that_a_host_tells_of_is_not_called(
    loopback_is_refused, no_connection, resolver
):
    resolver["pve3"] = [["127.0.0.1"]]
    instance = make_instance(is_cluster=True, cluster_name="lab", verify_tls=True)
    make_endpoint(instance, "pve2", address="127.0.0.1")
    make_endpoint(instance, "pve3", address="")
    make_endpoint(instance, "pve4", address="192.0.2.14")

    with pytest.raises(Refused):
        connecting.connection_for(instance).ask(lambda client: client.get("/version"))

    assert no_connection == [("192.0.2.10", 8006), ("192.0.2.14", 8006)]
    connecting.forget(instance.pk)


# --- ports ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", [22, 25, 79, 81, 445, 1023])
def test_a_port_where_no_proxmox_host_listens_is_refused(api, no_connection, port):
    body = {"type": "pve", "host": f"pve1.lab:{port}", "tokenName": "a@pam!t", "tokenValue": SECRET}

    response = post(api, f"{NODES}/test-connection", body)

    assert response.status_code == 400
    assert f"pve1.lab is not called at port {port}" in response.json()["error"]
    assert no_connection == []


@pytest.mark.parametrize("port", [80, 443, 444, 1024, 8006, 8007, 8443, 65535])
def test_other_ports_are_called(settings, no_connection, port):
    settings.PULSE_HOST_PORTS = {444}

    with pytest.raises(Refused):
        probe.probe(configuring.target_of(draft(f"192.0.2.10:{port}")), timeout_seconds=2)

    assert no_connection == [("192.0.2.10", port)]


@pytest.fixture
def own_servers(settings):
    """Pulse at 7655 with its own Redis and PostgreSQL, the latter by a name."""
    settings.PULSE_PORT = 7655
    settings.PULSE_REDIS_URL = "redis://:secret@192.0.2.50:6380/0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing connects by it
        settings.DATABASES = {
            "default": {"ENGINE": "django.db.backends.postgresql", "HOST": "db.lab", "PORT": "5432"}
        }


@pytest.mark.parametrize(
    ("host", "is_refused"),
    [
        ("127.0.0.1:7655", True),
        ("127.0.0.2:7655", True),
        ("[::1]:7655", True),
        ("localhost:7655", True),
        ("[::ffff:127.0.0.1]:7655", True),
        ("192.0.2.7:7655", False),
        ("192.0.2.50:6380", True),
        ("[::ffff:192.0.2.50]:6380", True),
        ("192.0.2.51:6380", False),
        ("db.lab:5432", True),
        ("alias.lab:5432", True),
        ("192.0.2.60:5432", True),
        ("192.0.2.61:5432", False),
        ("192.0.2.60:8006", False),
    ],
)
def test_what_pulse_itself_listens_and_stores_at_is_never_called(
    own_servers, no_connection, resolver, host, is_refused
):
    resolver["db.lab"] = resolver["alias.lab"] = [["192.0.2.60"]]

    with pytest.raises((NotValid, ProxmoxError)) as caught:
        probe.probe(configuring.target_of(draft(host)), timeout_seconds=2)

    assert ("Pulse itself listens or stores there" in str(caught.value)) is is_refused
    assert bool(no_connection) is not is_refused


def test_an_address_of_this_machine_in_the_network_is_its_own_too(own_servers, monkeypatch):
    monkeypatch.setattr(
        "pulse.lib.outbound.own.is_of_this_machine", lambda address: str(address) == "192.0.2.9"
    )

    assert "Pulse itself" in reach.refusal_of("https://192.0.2.9:7655")
    assert reach.refusal_of("https://192.0.2.9:8006") == ""
    assert reach.refusal_of("https://192.0.2.10:7655") == ""


def test_a_database_whose_name_nobody_knows_may_be_anywhere(own_servers, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert "Pulse itself" in reach.refusal_of("https://192.0.2.61:5432")


def test_a_bound_address_is_known_as_one_of_this_machine():
    from pulse.lib.outbound.own import is_of_this_machine

    found = [
        is_of_this_machine(ipaddress.ip_address(one)) for one in ("127.8.8.8", "192.0.2.1", "2001:db8::1")
    ]

    assert found == [True, False, False]


# --- the decision ---------------------------------------------------------------------------------------------------------


def test_on_a_fresh_install_loopback_is_refused(loopback_is_refused):
    assert reach.policy().allows_loopback is False


def test_the_command_allows_and_refuses_it(loopback_is_refused, capsys):
    call_command("instance", "allow-loopback")
    allowed = reach.policy().allows_loopback
    call_command("instance", "refuse-loopback")

    assert (allowed, reach.policy().allows_loopback) == (True, False)


def test_the_admin_allows_it_once_and_takes_it_back(loopback_is_refused):
    user = get_user_model().objects.create(username="root", is_staff=True, is_superuser=True)
    admin = Client(HTTP_HOST="localhost", HTTP_ORIGIN="http://localhost")
    admin.force_login(user)
    rules = "/admin/nodes/addressrule/"

    added = admin.post(f"{rules}add/", {"allows_loopback": "on"})
    allowed = reach.policy().allows_loopback
    second = admin.get(f"{rules}add/")
    changed = admin.post(f"{rules}1/change/", {})

    assert (added.status_code, second.status_code, changed.status_code) == (302, 403, 302)
    assert (allowed, reach.policy().allows_loopback) == (True, False)
    assert admin.post(f"{rules}1/delete/", {"post": "yes"}).status_code == 403


def test_a_target_that_nobody_decided_about_does_not_lead_here(fake_pve):
    target = connecting.Target(
        "pve", fake_pve.url, connecting.Credential(token_id="a@pam!t", token_value="t")
    )

    with pytest.raises(AddressRefused):
        probe.probe(target, timeout_seconds=2)


def test_metadata_is_refused_although_loopback_is_allowed():
    assert AddressPolicy(allows_loopback=True, allows_private=True).refusal_of(
        ipaddress.ip_address("168.63.129.16")
    )
    assert "metadata" in reach.refusal_of("https://168.63.129.16:8006")

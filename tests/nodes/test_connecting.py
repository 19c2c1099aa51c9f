from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection as database

from nodes import connecting
from nodes.connecting import Connection, Member, connection_for, forget, target_of, targets_of
from nodes.models import Instance
from nodes.proxmox import pve
from nodes.proxmox.client import Client, Credential, Target
from nodes.proxmox.errors import (
    CertificateChanged,
    CredentialUnreadable,
    LoginFailed,
    PermissionDenied,
    ProxmoxError,
    ServerError,
    TimedOut,
    Unreachable,
)
from tests.factories import make_endpoint, make_instance
from tests.fake_proxmox import PveSite
from tests.nodes.servers import TOKEN, local

pytestmark = pytest.mark.slow

PIN = "aa" * 32
CONFIGURED = Target("pve", "https://192.0.2.10:8006", TOKEN, verify_tls=True)
MEMBERS = (Member("pve1", "192.0.2.10"), Member("pve2", "192.0.2.11"), Member("pve3", "192.0.2.12"))


class Clock:
    """The monotonic clock of the module, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(connecting, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _no_kept_connections() -> Iterator[None]:
    yield
    for pk in list(connecting._kept):
        forget(pk)


@contextmanager
def connection_to(site: PveSite, *, pinned: bool = True) -> Iterator[Connection]:
    """A connection to a fake cluster, by its first member, with the others to fall back to."""
    target = local(
        "pve",
        site.url,
        Credential(token_id=site.token_id, token_value=site.token_value),
        fingerprint=site.fingerprint if pinned else "",
    )
    members = [Member(server.name, server.host, server.fingerprint) for server in site.servers]
    connection = Connection(target, members, timeout_seconds=0.5, deadline_seconds=2.0)
    try:
        yield connection
    finally:
        connection.close()


def test_the_configured_address_comes_first_and_each_address_once() -> None:
    connection = Connection(CONFIGURED, MEMBERS)

    assert connection.addresses == (
        "https://192.0.2.10:8006",
        "https://192.0.2.11:8006",
        "https://192.0.2.12:8006",
    )


def test_members_are_asked_with_the_scheme_and_port_that_were_configured() -> None:
    targets = targets_of(
        Target("pve", "https://pve.lab:9000", TOKEN, verify_tls=True),
        [Member("pve2"), Member("pve3", "2001:db8::3")],
    )

    assert [target.url for target in targets] == [
        "https://pve.lab:9000",
        "https://pve2:9000",
        "https://[2001:db8::3]:9000",
    ]


def test_under_a_pin_only_members_with_a_fingerprint_of_their_own_are_asked() -> None:
    pinned = local("pve", "https://192.0.2.10:8006", TOKEN, fingerprint=PIN)
    members = [Member("pve2", "192.0.2.11", "bb" * 32), Member("pve3", "192.0.2.12")]

    targets = targets_of(pinned, members)

    assert [(target.url, target.fingerprint) for target in targets] == [
        ("https://192.0.2.10:8006", PIN),
        ("https://192.0.2.11:8006", "bb" * 32),
    ]


def test_a_verified_instance_pins_the_members_it_knows_and_verifies_the_others() -> None:
    verified = local("pve", "https://192.0.2.10:8006", TOKEN, verify_tls=True)
    members = [Member("pve2", "192.0.2.11", "bb" * 32), Member("pve3", "192.0.2.12")]

    targets = targets_of(verified, members)

    assert [target.fingerprint for target in targets] == ["", "bb" * 32, ""]
    assert all(target.verify_tls for target in targets)


@pytest.mark.parametrize("url", ["https://192.0.2.10:8006", "http://192.0.2.10:8006"])
def test_an_instance_whose_certificate_nobody_checks_has_no_members(url: str) -> None:
    unchecked = Target("pve", url, TOKEN)

    assert targets_of(unchecked, [Member("pve2", "192.0.2.11", "bb" * 32)]) == (unchecked,)


@pytest.mark.parametrize("name", ["", "a/b", "x@y", "pve:22", "../..", "pve\n2"])
def test_a_member_whose_told_name_is_no_host_is_left_out(name: str) -> None:
    assert targets_of(CONFIGURED, [Member(name)]) == (CONFIGURED,)


@pytest.mark.parametrize(
    "error",
    [Unreachable("x"), TimedOut("x"), CertificateChanged("x")],
    ids=["unreachable", "timeout", "certificate"],
)
def test_a_failure_of_the_connection_leads_to_the_next_address(error: ProxmoxError) -> None:
    connection = Connection(CONFIGURED, MEMBERS)

    assert connection.failed(error) is True
    assert connection.client().target.url == "https://192.0.2.11:8006"


@pytest.mark.parametrize(
    "error",
    [LoginFailed("x"), PermissionDenied("x"), ServerError("x")],
    ids=["login", "permission", "server"],
)
def test_a_failure_of_the_call_does_not(error: ProxmoxError) -> None:
    connection = Connection(CONFIGURED, MEMBERS)

    assert connection.failed(error) is False
    assert connection.client().target == CONFIGURED


def test_without_members_there_is_nowhere_to_go() -> None:
    connection = Connection(CONFIGURED)

    assert connection.failed(Unreachable("x")) is False
    assert connection.client().target == CONFIGURED


def test_the_address_that_works_is_kept(clock: Clock) -> None:
    connection = Connection(CONFIGURED, MEMBERS)
    connection.failed(Unreachable("x"))

    clock.now += 59

    assert connection.client().target.url == "https://192.0.2.11:8006"


def test_the_configured_address_is_tried_again_after_a_minute(clock: Clock) -> None:
    connection = Connection(CONFIGURED, MEMBERS)
    connection.failed(Unreachable("x"))

    clock.now += 60

    assert connection.client().target == CONFIGURED


def test_when_it_is_still_silent_the_one_that_stood_in_does_so_again(clock: Clock) -> None:
    connection = Connection(CONFIGURED, MEMBERS)
    connection.failed(Unreachable("x"))
    connection.failed(Unreachable("x"))
    clock.now += 60
    connection.client()

    connection.failed(Unreachable("x"))

    assert connection.client().target.url == "https://192.0.2.12:8006"


def test_two_threads_that_fail_on_one_address_skip_none() -> None:
    connection = Connection(CONFIGURED, MEMBERS)
    client = connection.client()

    assert connection.failed(Unreachable("x"), client=client) is True
    assert connection.failed(Unreachable("x"), client=client) is True

    assert connection.client().target.url == "https://192.0.2.11:8006"


def test_an_address_has_one_client_however_often_it_is_asked_for() -> None:
    connection = Connection(CONFIGURED, MEMBERS)

    with ThreadPoolExecutor(8) as threads:
        clients = set(threads.map(lambda _: connection.client(), range(50)))

    assert len(clients) == 1


def test_new_members_are_taken_over_and_the_address_in_use_stays() -> None:
    connection = Connection(CONFIGURED, MEMBERS)
    connection.failed(Unreachable("x"))
    client = connection.client()

    connection.use_members([*MEMBERS[1:], Member("pve4", "192.0.2.13")])

    assert connection.client() is client
    assert connection.addresses == (
        "https://192.0.2.11:8006",
        "https://192.0.2.10:8006",
        "https://192.0.2.12:8006",
        "https://192.0.2.13:8006",
    )


def test_an_address_in_use_that_is_no_member_any_more_is_left() -> None:
    connection = Connection(CONFIGURED, MEMBERS)
    connection.failed(Unreachable("x"))

    connection.use_members([MEMBERS[0], MEMBERS[2]])

    assert connection.client().target == CONFIGURED


def test_a_member_takes_over_within_the_same_question(fake_cluster: PveSite) -> None:
    fake_cluster.servers[0].faults.add("down")

    with connection_to(fake_cluster) as connection:
        reading = connection.ask(pve.cluster_resources)

        assert connection.client().target.url == fake_cluster.servers[1].url

    assert len(reading.nodes) == 3


@pytest.mark.parametrize("fault", ["silent", "certificate", "hang", "truncate", "reset"])
def test_every_broken_connection_is_bridged(fake_cluster: PveSite, fault: str) -> None:
    fake_cluster.servers[0].faults.add(fault)

    with connection_to(fake_cluster) as connection:
        assert connection.ask(pve.cluster_status).name == "production"


def test_a_member_with_the_wrong_certificate_is_not_trusted_either(fake_cluster: PveSite) -> None:
    fake_cluster.servers[0].faults.add("down")
    fake_cluster.servers[1].faults.add("certificate")

    with connection_to(fake_cluster) as connection:
        connection.ask(pve.version)

        assert connection.client().target.url == fake_cluster.servers[2].url

    assert fake_cluster.servers[1].traffic.bytes_received == 0


def test_a_refused_login_is_not_carried_to_the_other_members(fake_cluster: PveSite) -> None:
    fake_cluster.servers[0].faults.add("401")

    with connection_to(fake_cluster) as connection, pytest.raises(LoginFailed):
        connection.ask(pve.version)

    assert [server.traffic.connections for server in fake_cluster.servers] == [1, 0, 0]


def test_a_refused_call_is_not_carried_to_the_other_members(fake_cluster: PveSite) -> None:
    fake_cluster.servers[0].faults.add("595")

    with connection_to(fake_cluster) as connection, pytest.raises(ProxmoxError):
        connection.ask(lambda client: pve.node_status(client, "pve-02"))

    assert fake_cluster.servers[1].traffic.connections == 0


def test_when_no_member_answers_each_was_tried_once(fake_cluster: PveSite) -> None:
    for server in fake_cluster.servers:
        server.faults.add("truncate")

    with connection_to(fake_cluster) as connection, pytest.raises(Unreachable):
        connection.ask(pve.cluster_resources)

    assert [server.traffic.connections for server in fake_cluster.servers] == [1, 1, 1]


def test_the_cost_of_all_addresses_is_counted_together(fake_cluster: PveSite) -> None:
    fake_cluster.servers[0].faults.add("truncate")

    with connection_to(fake_cluster) as connection:
        connection.ask(pve.cluster_resources)

        assert (connection.meter.calls, connection.meter.failed_calls) == (2, 1)


def test_many_threads_find_the_member_that_answers(fake_cluster: PveSite) -> None:
    fake_cluster.servers[0].faults.add("down")
    fake_cluster.servers[1].faults.add("down")

    with connection_to(fake_cluster) as connection, ThreadPoolExecutor(8) as threads:
        versions = set(threads.map(lambda _: connection.ask(pve.version).version[:3], range(16)))

    assert versions == {"9.2"}


@pytest.mark.django_db
def test_the_target_of_an_instance_carries_its_opened_secrets() -> None:
    instance = make_instance(token_value="the-secret", fingerprint=PIN)

    target = target_of(instance)

    assert target.url == "https://192.0.2.10:8006"
    assert target.credential == Credential(token_id="pulse@pam!pulse", token_value="the-secret")
    assert (target.kind, target.fingerprint) == ("pve", PIN)
    assert "the-secret" not in repr(target)


@pytest.mark.django_db
def test_the_target_of_an_instance_with_a_password_has_no_token() -> None:
    instance = make_instance(kind="pbs", password="the-password", verify_tls=True)

    target = target_of(instance)

    assert target.credential == Credential(user="admin@pbs", password="the-password")
    assert (target.kind, target.fingerprint, target.verify_tls) == ("pbs", "", True)


@pytest.mark.django_db
def test_another_address_and_fingerprint_can_be_given() -> None:
    target = target_of(make_instance(), url="https://192.0.2.99:8006", fingerprint=PIN)

    assert (target.url, target.fingerprint) == ("https://192.0.2.99:8006", PIN)


@pytest.mark.django_db
def test_a_secret_that_cannot_be_opened_is_told_with_the_way_out() -> None:
    instance = make_instance()
    instance.sealed_token = make_instance().sealed_token  # sealed for another place

    with pytest.raises(CredentialUnreadable, match="Enter the password or the token again"):
        target_of(instance)


@pytest.mark.django_db
def test_an_instance_has_one_connection_until_its_version_rises() -> None:
    instance = make_instance()
    first = connection_for(instance)

    assert connection_for(instance) is first
    instance.version += 1
    assert connection_for(instance) is not first


@pytest.mark.django_db
def test_a_kept_connection_takes_over_new_members() -> None:
    instance = make_instance(is_cluster=True, fingerprint=PIN)
    connection = connection_for(instance)
    make_endpoint(instance, "pve2", address="192.0.2.11", fingerprint="bb" * 32)

    connection_for(instance)

    assert connection.addresses == ("https://192.0.2.10:8006", "https://192.0.2.11:8006")


@pytest.mark.django_db
def test_the_members_of_a_host_that_left_its_cluster_are_not_asked() -> None:
    instance = make_instance(is_cluster=False)
    make_endpoint(instance, "pve2", address="192.0.2.11")

    assert connection_for(instance).addresses == ("https://192.0.2.10:8006",)


@pytest.mark.django_db
def test_a_kept_connection_is_found_without_a_query(django_assert_num_queries: Any) -> None:
    make_endpoint(make_instance(is_cluster=True), "pve2", address="192.0.2.11")
    instance = Instance.objects.prefetch_related("endpoints").get()
    connection_for(instance)

    with django_assert_num_queries(0, connection=database):
        connection_for(instance)


@pytest.mark.django_db
def test_a_forgotten_connection_is_closed_and_made_anew() -> None:
    instance = make_instance()
    first = connection_for(instance)

    forget(instance.pk)

    assert connection_for(instance) is not first


@pytest.mark.django_db
def test_a_connection_nobody_asked_for_in_an_hour_is_dropped(clock: Clock) -> None:
    unused, used = make_instance(), make_instance()
    connection_for(unused)
    clock.now += 3601

    connection_for(used)

    assert set(connecting._kept) == {used.pk}


@pytest.mark.django_db
def test_the_configured_silence_is_the_clients(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CONNECTION_TIMEOUT_SECONDS = 45
    made: list[dict[str, Any]] = []

    def recorded(target: Target, **options: Any) -> Client:
        made.append(options)
        return Client(target, **options)

    monkeypatch.setattr(connecting, "Client", recorded)

    connection_for(make_instance()).client()

    assert (made[0]["timeout_seconds"], made[0]["deadline_seconds"]) == (45.0, 45.0)


def test_all_addresses_of_an_instance_share_two_slots_with_who_tries_the_configured_one() -> None:
    connection = Connection(CONFIGURED, MEMBERS)
    first = connection.client()
    connection.failed(Unreachable("x"), client=first)
    second = connection.client()

    with Client(CONFIGURED) as probing:
        assert first.target != second.target
        assert {first._slots, second._slots, probing._slots} == {connection.slots}


@pytest.mark.django_db
def test_an_edit_does_not_forget_the_calls_that_are_still_under_way() -> None:
    instance = make_instance(host="https://192.0.2.77:8006")
    before = connection_for(instance)
    instance.version += 1

    after = connection_for(instance)

    assert after is not before
    assert after.slots is before.slots

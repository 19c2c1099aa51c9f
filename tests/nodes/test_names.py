from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nodes.proxmox import names
from nodes.proxmox.client import Target
from nodes.proxmox.errors import AddressRefused, NameNotFound, ProxmoxError, TimedOut
from tests.nodes.servers import TOKEN, always, ask, scripted

Answers = dict[str, Any]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """The system's resolver, replaced: name to a list of addresses, an error, or an event to wait for."""
    answers: Answers = {}
    asked: list[str] = []

    system = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> list[tuple[Any, ...]]:
        if host[0].isdigit():  # an address: nobody is asked for it
            return system(host, *arguments, **options)
        asked.append(host)
        answer = answers[host]
        if isinstance(answer, threading.Event):
            answer.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "late")
        if isinstance(answer, BaseException):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answer]

    monkeypatch.setattr(names.socket, "getaddrinfo", getaddrinfo)
    names.forget()
    answers["asked"] = asked
    yield answers
    names.forget()


def test_an_address_is_not_looked_up(resolver: Answers) -> None:
    assert names.resolve("192.0.2.7", seconds=1) == ("192.0.2.7",)
    assert resolver["asked"] == []


def test_a_name_leads_to_its_addresses_each_once_and_four_at_most(resolver: Answers) -> None:
    resolver["pve1.lab"] = ["192.0.2.1", "192.0.2.1", *(f"192.0.2.{n}" for n in range(2, 9))]

    assert names.resolve("pve1.lab", seconds=1) == ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")


@pytest.mark.parametrize(
    ("failure", "words", "is_certain"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), "The name pve1.lab is not known", True),
        (socket.gaierror(socket.EAI_AGAIN, "no"), "The name server did not answer", False),
        (UnicodeError("label too long"), "is not known", True),
    ],
)
def test_a_name_that_cannot_be_found_is_told_with_cause_and_remedy(
    resolver: Answers, failure: BaseException, words: str, is_certain: bool
) -> None:
    resolver["pve1.lab"] = failure

    with pytest.raises(NameNotFound, match=words) as caught:
        names.resolve("pve1.lab", seconds=1)

    assert "Check the spelling of the host" in str(caught.value)
    assert caught.value.is_certain is is_certain


def test_a_name_server_that_hangs_is_waited_for_no_longer_than_allowed(resolver: Answers) -> None:
    resolver["pve1.lab"] = end = threading.Event()

    with pytest.raises(TimedOut, match=r"No name server answered for pve1\.lab"):
        names.resolve("pve1.lab", seconds=0.1)
    end.set()


def test_lookups_that_hang_do_not_pile_up_threads(resolver: Answers) -> None:
    resolver["pve1.lab"] = end = threading.Event()
    for _ in range(12):
        with pytest.raises(TimedOut):
            names.resolve("pve1.lab", seconds=0.01)

    lookups = [thread for thread in threading.enumerate() if thread.name == "name-lookup"]
    end.set()
    for thread in lookups:
        thread.join(10)

    assert len(lookups) == 8
    assert all(thread.daemon for thread in lookups)


@pytest.mark.parametrize("is_silent", [True, False])
def test_the_last_address_stands_in_for_a_name_server_that_is_silent(
    resolver: Answers, is_silent: bool
) -> None:
    resolver["pve1.lab"] = ["192.0.2.1"]
    names.resolve("pve1.lab", seconds=1)
    end = threading.Event()
    resolver["pve1.lab"] = end if is_silent else socket.gaierror(socket.EAI_AGAIN, "no")

    found = names.resolve("pve1.lab", seconds=0.1)
    end.set()

    assert found == ("192.0.2.1",)


def test_a_name_that_is_gone_for_certain_is_believed_to_be_gone(resolver: Answers) -> None:
    resolver["pve1.lab"] = ["192.0.2.1"]
    names.resolve("pve1.lab", seconds=1)
    resolver["pve1.lab"] = socket.gaierror(socket.EAI_NONAME, "no")

    with pytest.raises(NameNotFound):
        names.resolve("pve1.lab", seconds=1)


def test_an_address_known_for_too_long_stands_in_for_nothing(
    resolver: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver["pve1.lab"] = ["192.0.2.1"]
    names.resolve("pve1.lab", seconds=1)
    resolver["pve1.lab"] = socket.gaierror(socket.EAI_AGAIN, "no")
    monkeypatch.setattr(names, "MEMORY_SECONDS", -1.0)

    with pytest.raises(NameNotFound):
        names.resolve("pve1.lab", seconds=1)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "224.0.0.1", "::ffff:169.254.169.254", "fd00:ec2::254"]
)
def test_a_name_that_leads_to_no_host_is_refused(resolver: Answers, address: str) -> None:
    resolver["pve1.lab"] = [address]

    with pytest.raises(AddressRefused, match=r"pve1\.lab leads to"):
        names.resolve("pve1.lab", seconds=1)


def test_of_several_addresses_the_possible_ones_are_used(resolver: Answers) -> None:
    resolver["pve1.lab"] = ["169.254.1.1", "192.0.2.1"]

    assert names.resolve("pve1.lab", seconds=1) == ("192.0.2.1",)


def test_the_client_connects_to_what_the_one_lookup_found(resolver: Answers) -> None:
    resolver["pve1.lab"] = ["127.0.0.1"]
    with scripted(always(b'{"data":1}')) as server:
        ask(Target("pve", f"https://pve1.lab:{server.port}", TOKEN))

    assert resolver["asked"] == ["pve1.lab"]
    assert f"Host: pve1.lab:{server.port}\r\n".encode() in server.requests[0]


def test_the_next_address_is_tried_when_the_first_refuses(resolver: Answers) -> None:
    resolver["pve1.lab"] = ["127.0.0.9", "127.0.0.1"]
    with scripted(always(b'{"data":1}')) as server:
        assert ask(Target("pve", f"https://pve1.lab:{server.port}", TOKEN)).data == 1


def test_an_unknown_name_fails_the_call_with_its_own_class(resolver: Answers) -> None:
    resolver["pve1.lab"] = socket.gaierror(socket.EAI_NONAME, "no")

    with pytest.raises(ProxmoxError) as caught:
        ask(Target("pve", "https://pve1.lab:8006", TOKEN))

    assert (caught.value.code, caught.value.is_connection_level) == ("name_not_found", True)

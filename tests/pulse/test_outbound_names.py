from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pulse.lib.outbound import names
from pulse.lib.outbound.errors import AddressRefused, LookupTimedOut, NameNotFound
from pulse.lib.outbound.policy import AddressPolicy

ANY = AddressPolicy(allows_loopback=True, allows_private=True)
PUBLIC = AddressPolicy(allows_loopback=False, allows_private=False)

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
    assert names.resolve("192.0.2.7", policy=ANY, seconds=1) == ("192.0.2.7",)
    assert resolver["asked"] == []


def test_a_name_leads_to_its_addresses_each_once_and_four_at_most(resolver: Answers) -> None:
    resolver["pve1.lab"] = ["192.0.2.1", "192.0.2.1", *(f"192.0.2.{n}" for n in range(2, 9))]

    assert names.resolve("pve1.lab", policy=ANY, seconds=1) == (
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.4",
    )


@pytest.mark.parametrize(
    ("failure", "words", "is_certain"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), "The name pve1.lab is not known", True),
        (socket.gaierror(socket.EAI_AGAIN, "no"), "The name server did not answer", False),
        (UnicodeError("label too long"), "is not known", True),
    ],
)
def test_a_name_that_cannot_be_found_is_told_with_its_cause(
    resolver: Answers, failure: BaseException, words: str, is_certain: bool
) -> None:
    resolver["pve1.lab"] = failure

    with pytest.raises(NameNotFound, match=words) as caught:
        names.resolve("pve1.lab", policy=ANY, seconds=1)

    assert caught.value.is_certain is is_certain


def test_a_name_server_that_hangs_is_waited_for_no_longer_than_allowed(resolver: Answers) -> None:
    resolver["pve1.lab"] = end = threading.Event()

    with pytest.raises(LookupTimedOut, match=r"No name server answered for pve1\.lab"):
        names.resolve("pve1.lab", policy=ANY, seconds=0.1)
    end.set()


def test_lookups_that_hang_do_not_pile_up_threads(resolver: Answers) -> None:
    resolver["pve1.lab"] = end = threading.Event()
    for _ in range(12):
        with pytest.raises(LookupTimedOut):
            names.resolve("pve1.lab", policy=ANY, seconds=0.01)

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
    names.resolve("pve1.lab", policy=ANY, seconds=1)
    end = threading.Event()
    resolver["pve1.lab"] = end if is_silent else socket.gaierror(socket.EAI_AGAIN, "no")

    found = names.resolve("pve1.lab", policy=ANY, seconds=0.1)
    end.set()

    assert found == ("192.0.2.1",)


def test_a_name_that_is_gone_for_certain_is_believed_to_be_gone(resolver: Answers) -> None:
    resolver["pve1.lab"] = ["192.0.2.1"]
    names.resolve("pve1.lab", policy=ANY, seconds=1)
    resolver["pve1.lab"] = socket.gaierror(socket.EAI_NONAME, "no")

    with pytest.raises(NameNotFound):
        names.resolve("pve1.lab", policy=ANY, seconds=1)


def test_an_address_known_for_too_long_stands_in_for_nothing(
    resolver: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver["pve1.lab"] = ["192.0.2.1"]
    names.resolve("pve1.lab", policy=ANY, seconds=1)
    resolver["pve1.lab"] = socket.gaierror(socket.EAI_AGAIN, "no")
    monkeypatch.setattr(names, "MEMORY_SECONDS", -1.0)

    with pytest.raises(NameNotFound):
        names.resolve("pve1.lab", policy=ANY, seconds=1)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "224.0.0.1", "::ffff:169.254.169.254", "fd00:ec2::254"]
)
def test_a_name_that_leads_to_no_host_is_refused(resolver: Answers, address: str) -> None:
    resolver["pve1.lab"] = [address]

    with pytest.raises(AddressRefused, match=r"pve1\.lab leads to"):
        names.resolve("pve1.lab", policy=ANY, seconds=1)


def test_of_several_addresses_the_possible_ones_are_used(resolver: Answers) -> None:
    resolver["pve1.lab"] = ["169.254.1.1", "192.0.2.1"]

    assert names.resolve("pve1.lab", policy=ANY, seconds=1) == ("192.0.2.1",)


def test_what_one_caller_was_told_of_a_name_does_not_open_it_to_another(resolver: Answers) -> None:
    resolver["hook.lab"] = ["192.168.1.7"]
    names.resolve("hook.lab", policy=ANY, seconds=1)
    resolver["hook.lab"] = socket.gaierror(socket.EAI_AGAIN, "no")

    with pytest.raises(AddressRefused, match=r"192\.168\.1\.7, which is not a public address"):
        names.resolve("hook.lab", policy=PUBLIC, seconds=1)

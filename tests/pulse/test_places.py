"""Places of open connections: counted by address, and given to newcomers by who is idle."""

from __future__ import annotations

import pytest

from pulse.lib import files
from pulse.runtime.places import Places, key_of


def taken(places: Places, key: str = ""):
    """A place with a note of whether its connection was cut."""
    cut = []
    return places.take(key, lambda: cut.append(True)), cut


def test_the_longest_idle_gives_its_place_to_a_newcomer():
    places = Places(2)
    first, first_cut = taken(places)
    _, second_cut = taken(places)
    first.rest()  # has had an answer just now

    third, _ = taken(places)

    assert third is not None
    assert (first_cut, second_cut) == ([], [True])
    assert len(places) == 2


def test_requests_under_way_and_open_websockets_keep_their_places():
    places = Places(2)
    working, _ = taken(places)
    working.work()
    let_in, _ = taken(places)
    let_in.let_in()

    newcomer, _ = taken(places)
    working.rest()
    another, _ = taken(places)

    assert newcomer is None
    assert another is not None


def test_one_address_has_so_many_and_others_are_not_counted():
    places = Places(10, most_per_address=2)
    first, _ = taken(places, "192.0.2.1")
    taken(places, "192.0.2.1")

    assert taken(places, "192.0.2.1")[0] is None
    assert taken(places, "192.0.2.2")[0] is not None
    assert taken(places, "")[0] is not None

    first.leave()
    assert taken(places, "192.0.2.1")[0] is not None


def test_a_websocket_that_was_let_in_is_no_more_counted_to_its_address():
    places = Places(10, most_per_address=1)
    place, _ = taken(places, "192.0.2.1")
    place.let_in()

    other, _ = taken(places, "192.0.2.1")
    place.leave()

    assert other is not None
    assert taken(places, "192.0.2.1")[0] is None
    assert len(places) == 1


def test_a_place_that_was_left_twice_is_free_once():
    places = Places(10, most_per_address=2)
    place, _ = taken(places, "192.0.2.1")
    taken(places, "192.0.2.1")

    place.leave()
    place.leave()
    place.rest()

    assert len(places) == 1
    assert taken(places, "192.0.2.1")[0] is not None
    assert taken(places, "192.0.2.1")[0] is None


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2", "2001:db8::/64"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("10.0.0.9", ""),
        ("10.0.1.9", "10.0.1.9"),
    ],
)
def test_this_machine_and_trusted_proxies_are_not_counted(peer, key, settings):
    settings.PULSE_TRUSTED_PROXIES = ["10.0.0.0/24"]

    assert key_of(peer) == key


FILES = [(1024, 768), (256, 64), (16_384, 15_360), (1_000_000, 998_976), (-1, 15_360)]


@pytest.mark.parametrize(("limit", "most"), FILES, ids=[f"{limit} files" for limit, _ in FILES])
def test_connections_leave_files_to_hosts_and_the_database(limit, most, monkeypatch):
    monkeypatch.setattr(files.resource, "getrlimit", lambda which: (limit, limit))

    assert files.most_connections() == most

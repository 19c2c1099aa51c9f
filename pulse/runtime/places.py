"""Places of open connections: so many in all, so many of one address, and who goes when all are taken.

A connection whose client has said nothing, or has had its answer, gives its place to a newcomer, the longest idle first:
who opens thousands and is silent shuts nobody out. An open WebSocket, and a request under way, keep theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from django.conf import settings

from pulse.lib.clients import is_in, is_loopback, limit_key
from pulse.lib.files import most_connections

#: Of one IPv4 address or IPv6 /64: four times the sockets that it may have. Not counted are WebSockets that were let in (the
#: feed counts those), this machine and trusted proxies, behind which thousands of clients may be.
MOST_PER_ADDRESS = 256


class Place:
    """One open connection as the others see it."""

    def __init__(self, places: Places, key: str, end: Callable[[], None]) -> None:
        self.key = key  # under which the address is counted; empty for one that is not
        self.end = end
        self._places = places

    def rest(self) -> None:
        """Note that nothing is under way: from now on a newcomer may have the place."""
        self._places.resting(self)

    def work(self) -> None:
        """Note that something is under way."""
        self._places.working(self)

    def let_in(self) -> None:
        """Count it no more to its address: whoever let it in counts it."""
        self._places.uncount(self)
        self.work()

    def leave(self) -> None:
        """Free the place; again changes nothing."""
        self._places.free(self)


class Places:
    """The connections of one process."""

    def __init__(self, most: int, most_per_address: int = MOST_PER_ADDRESS) -> None:
        self.most = most
        self.most_per_address = most_per_address
        self._taken: set[Place] = set()
        self._addresses: Counter[str] = Counter()
        self._idle: dict[Place, None] = {}  # the longest idle first

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, key: str, end: Callable[[], None]) -> Place | None:
        """Return a place that is idle at first, None when there is none; `end` cuts the connection.

        `key` is that of `key_of`.
        """
        if key and self._addresses[key] >= self.most_per_address:
            return None
        if len(self._taken) >= self.most and not self._make_room():
            return None
        place = Place(self, key, end)
        self._taken.add(place)
        self._idle[place] = None
        if key:
            self._addresses[key] += 1
        return place

    def resting(self, place: Place) -> None:
        """Put the place behind those that are idle for longer."""
        self._idle.pop(place, None)
        if place in self._taken:
            self._idle[place] = None

    def working(self, place: Place) -> None:
        """Keep the place from newcomers."""
        self._idle.pop(place, None)

    def uncount(self, place: Place) -> None:
        """Take the place from the count of its address."""
        if place.key and place in self._taken:
            self._addresses[place.key] -= 1
            if not self._addresses[place.key]:
                del self._addresses[place.key]
        place.key = ""

    def free(self, place: Place) -> None:
        """Let another connection have the place."""
        self.uncount(place)
        self._taken.discard(place)
        self._idle.pop(place, None)

    def _make_room(self) -> bool:
        longest = next(iter(self._idle), None)
        if longest is None:
            return False
        self.free(longest)
        longest.end()
        return True


def key_of(peer: str) -> str:
    """Return under which name the connections of a peer are counted, empty for one that is not counted."""
    if is_loopback(peer) or is_in(peer, settings.PULSE_TRUSTED_PROXIES):
        return ""
    return limit_key(peer)


def places_of_process() -> Places:
    """Return as many places as the open files of this process allow."""
    return Places(most_connections())

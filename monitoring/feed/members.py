"""Who is in the feed: how many may come, and who may stay."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator

from monitoring.feed.clients import Client
from pulse.lib.errors import ApiError
from pulse.lib.files import most_connections
from pulse.lib.pace import Turns

logger = logging.getLogger(__name__)

MOST_CLIENTS = 10_000
#: Of the connections that may be open, one in so many is left to requests.
SHARE_OF_REQUESTS = 8
#: Sockets of one address; this machine, where a reverse proxy may stand, is not counted.
MOST_PER_ADDRESS = 64
#: Sockets that are let in: a thousand return at once after a restart, and whoever asks for something else must not wait for
#: them. Who would wait longer is told to come again (reliability.md B42).
PER_SECOND, IN_A_MOMENT, LONGEST_WAIT_SECONDS = 200, 20, 8.0
#: After so many clients the loop serves others for a moment.
AT_ONCE = 100
LATER = {"Retry-After": "10"}


class Members:
    """The connected clients, counted by their addresses; once `are_leaving`, nobody comes any more."""

    def __init__(self) -> None:
        self.are_leaving = False
        self._clients: set[Client] = set()
        self._addresses: Counter[str] = Counter()
        self._turns = Turns(PER_SECOND, at_once=IN_A_MOMENT, longest_seconds=LONGEST_WAIT_SECONDS)

    def __len__(self) -> int:
        return len(self._clients)

    def __contains__(self, client: Client) -> bool:
        return client in self._clients

    def __iter__(self) -> Iterator[Client]:
        """Go through the clients there are now; who leaves meanwhile is met all the same."""
        return iter(tuple(self._clients))

    async def with_pauses(self) -> AsyncIterator[Client]:
        """Go through the clients that are still there when they are met, with pauses in which the loop serves others."""
        for position, client in enumerate(self, start=1):
            if client in self._clients:
                yield client
            if position % AT_ONCE == 0:
                await asyncio.sleep(0)

    def check_room(self, address: str) -> None:
        """Raise ApiError when a socket from this address is one too many; an empty address is this machine."""
        if self.are_leaving or len(self) >= most_clients():
            raise ApiError(503, "no more sockets can be served now", headers=LATER)
        if address and self._addresses[address] >= MOST_PER_ADDRESS:
            raise ApiError(429, "too many sockets are open from this address", headers=LATER)

    async def turn(self) -> None:
        """Return when one more may be let in; raises ApiError when too many wait already."""
        wait = self._turns.wait_seconds(asyncio.get_running_loop().time())
        if wait is None:
            raise ApiError(503, "too many sockets are being opened at once", headers=LATER)
        if wait:
            await asyncio.sleep(wait)

    def add(self, client: Client) -> None:
        """Count one more."""
        self._clients.add(client)
        self._addresses[client.address] += 1

    def remove(self, client: Client) -> bool:
        """Count one less; False when it was not there."""
        if client not in self._clients:
            return False
        self._clients.remove(client)
        self._addresses[client.address] -= 1
        if not self._addresses[client.address]:
            del self._addresses[client.address]
        return True

    async def unwelcome(self) -> list[Client]:
        """Return the clients whose callers have lost the right to be here; each caller is asked about once."""
        checks = {client.caller: client.may_stay for client in self}
        refused = set()
        for caller, may_stay in checks.items():
            try:
                if not await may_stay(caller):
                    refused.add(caller)
            except Exception:
                logger.exception("the caller of an open socket could not be checked")
                refused.add(caller)
        return [client for client in self if client.caller in refused]


def most_clients() -> int:
    """Return how many sockets are served: requests need connections too."""
    connections = most_connections()
    return min(MOST_CLIENTS, connections - connections // SHARE_OF_REQUESTS)

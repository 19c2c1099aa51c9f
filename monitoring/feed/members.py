"""Who is in the feed: how many may come, and who may stay."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterator

from monitoring.feed.clients import Client
from pulse.lib.errors import ApiError

logger = logging.getLogger(__name__)

MOST_CLIENTS = 10_000
#: Open files that sockets leave to everything else.
RESERVED_FILES = 256
#: Sockets of one address; this machine, where a reverse proxy may stand, is not counted.
MOST_PER_ADDRESS = 64
#: After so many clients the loop serves others for a moment.
AT_ONCE = 100
LATER = {"Retry-After": "10"}


class Members:
    """The connected clients, counted by their addresses; once `are_leaving`, nobody comes any more."""

    def __init__(self) -> None:
        self.are_leaving = False
        self._clients: set[Client] = set()
        self._addresses: Counter[str] = Counter()

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
    """Return how many sockets are served: polls, requests and the database need open files too."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CLIENTS
    return min(MOST_CLIENTS, max(files - RESERVED_FILES, files // 2))

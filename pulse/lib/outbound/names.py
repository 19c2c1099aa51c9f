"""Host names to addresses, within a time limit: a resolver that hangs holds up neither a poll nor the end of the process."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Sequence

from pulse.lib.outbound.errors import AddressRefused, LookupTimedOut, NameNotFound
from pulse.lib.outbound.policy import THIS_MACHINE, AddressPolicy

#: Longer than a name server on the same network ever needs.
LOOKUP_SECONDS = 3.0
#: How long the last good answer stands in for a name server that is silent.
MEMORY_SECONDS = 300.0
#: Lookups under way at once; those that hang keep their place until the system gives them up.
LOOKUPS_AT_ONCE = 8
#: Addresses of one name that are worth trying.
ADDRESS_LIMIT = 4
MEMORY_LIMIT = 2048

_places = threading.BoundedSemaphore(LOOKUPS_AT_ONCE)
_memory: dict[str, tuple[float, tuple[str, ...]]] = {}
_memory_lock = threading.Lock()


class _Lookup:
    """One call of the system's resolver, on a thread of its own because nothing can interrupt it."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.found: tuple[str, ...] = ()
        self.failure: BaseException | None = None
        self.is_done = threading.Event()

    def run(self) -> None:
        try:
            answers = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
            self.found = tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))
        except (OSError, ValueError) as error:  # ValueError: not encodable as a name
            self.failure = error
        finally:
            _places.release()
            self.is_done.set()


def resolve(host: str, *, policy: AddressPolicy, seconds: float, port: int | None = None) -> tuple[str, ...]:
    """Return the addresses of a host that the policy allows at the port, at most four, in the order of the system's preference.

    The caller connects to these, so that a name cannot mean one thing when it is checked and another when it is used.
    Raises NameNotFound, LookupTimedOut or AddressRefused.
    """
    try:
        addresses: tuple[str, ...] = (str(ipaddress.ip_address(host)),)
    except ValueError:
        addresses = _found(host, min(seconds, LOOKUP_SECONDS))
    return _allowed(host, addresses, policy, port)


def _found(host: str, seconds: float) -> tuple[str, ...]:
    """Return what the name stands for, or stood for a while ago when the name server is silent."""
    try:
        addresses = _looked_up(host, seconds)
    except (NameNotFound, LookupTimedOut) as error:
        remembered = _remembered(host)
        # A name server that says "no such name" is believed; one that says nothing is bridged.
        if remembered and not (isinstance(error, NameNotFound) and error.is_certain):
            return remembered
        raise
    _remember(host, addresses)
    return addresses


def _looked_up(host: str, seconds: float) -> tuple[str, ...]:
    if not _places.acquire(timeout=seconds):
        raise LookupTimedOut(f"No name server answered for {host}: too many lookups hang")
    lookup = _Lookup(host)
    try:
        threading.Thread(target=lookup.run, name="name-lookup", daemon=True).start()
    except RuntimeError:  # no thread to be had
        _places.release()
        raise LookupTimedOut(
            f"The name {host} could not be looked up: this machine is out of threads"
        ) from None
    if not lookup.is_done.wait(seconds):
        raise LookupTimedOut(f"No name server answered for {host} within {seconds:.0f} s")
    failure = lookup.failure
    if failure is None and lookup.found:
        return lookup.found
    if isinstance(failure, socket.gaierror) and failure.errno == socket.EAI_AGAIN:
        raise NameNotFound(f"The name server did not answer for {host}", is_certain=False)
    raise NameNotFound(f"The name {host} is not known")


def _allowed(host: str, addresses: Sequence[str], policy: AddressPolicy, port: int | None) -> tuple[str, ...]:
    """Return the addresses that the policy allows; AddressRefused when none is left."""
    refusals = {address: policy.refusal_of(ipaddress.ip_address(address), port) for address in addresses}
    allowed = tuple(address for address in addresses if not refusals[address])
    if not allowed:
        address = addresses[0]
        subject = address if address == host else f"{host} leads to {address}, which"
        is_this_machine = refusals[address] == THIS_MACHINE
        raise AddressRefused(f"{subject} {refusals[address]}", is_this_machine=is_this_machine)
    return allowed[:ADDRESS_LIMIT]


def _remember(host: str, addresses: tuple[str, ...]) -> None:
    with _memory_lock:
        if len(_memory) >= MEMORY_LIMIT:
            _memory.clear()
        _memory[host] = (time.monotonic(), addresses)


def _remembered(host: str) -> tuple[str, ...]:
    with _memory_lock:
        known_at, addresses = _memory.get(host, (0.0, ()))
    return addresses if addresses and time.monotonic() - known_at <= MEMORY_SECONDS else ()


def forget() -> None:
    """Forget every remembered address."""
    with _memory_lock:
        _memory.clear()

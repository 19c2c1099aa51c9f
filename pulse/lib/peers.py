"""Who is at the other end of a loopback connection: a person at this machine, Pulse itself, or a service such as a proxy.

Linux tells the owner of every socket in `/proc/net/tcp` and `tcp6` (proc(5)): both ends of a loopback connection have a row
there, in the network namespace of this process. Source: README.md decision 1 of the contract.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import sys
import time
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

#: Of this process, and so of its network namespace; there also where a unit hides the rest of /proc.
TABLES = Path("/proc/self/net")
LOGIN_DEFS = Path("/etc/login.defs")
#: What login.defs(5) says where it is silent.
UID_MIN, UID_MAX = 1000, 60000
NO_SHELLS = frozenset({"nologin", "false", "sync", "halt", "shutdown"})
#: How long a person is believed to hold the connection: reading the tables takes 2 to 3 ms of processor time. Within it the
#: system gives the port of a closed connection to nobody else.
MEMORY_SECONDS = 1.0
MAX_REMEMBERED = 256
#: A walk of the kernel through a changing table may pass over a row.
TRIES = 2


class Ends(NamedTuple):
    """Both ends of a connection, as this process sees them."""

    peer: str
    peer_port: int
    own: str
    own_port: int


#: Until when the peer of a connection is believed to be a person, in seconds of the monotonic clock.
_persons: dict[Ends, float] = {}


class Peer(Enum):
    """Who holds the other end."""

    PERSON = auto()  # root, the user of Pulse or a login user, or the system does not tell
    SERVICE = auto()
    GONE = auto()  # closed already: nobody is seen to hold it, and the kernel would name root


def peer_of(ends: Ends) -> Peer:
    """Return who holds the other end of a loopback connection."""
    now = time.monotonic()
    if now < _persons.get(ends, now):
        return Peer.PERSON
    if not ends.peer_port or not (TABLES / "tcp").exists():
        return Peer.PERSON
    uid = next((uid for uid in (owner_of(ends) for _ in range(TRIES)) if uid is not None), None)
    if uid is None:
        return Peer.GONE
    if not is_person(uid):
        return Peer.SERVICE
    if len(_persons) >= MAX_REMEMBERED:
        _persons.clear()
    _persons[ends] = now + MEMORY_SECONDS
    return Peer.PERSON


def owner_of(ends: Ends) -> int | None:
    """Return the uid of whoever holds the peer's end, None when nobody is seen to."""
    wanted = set(spelled_rows(ends))
    for name in ("tcp", "tcp6"):
        try:
            with (TABLES / name).open("rb", buffering=1 << 16) as table:
                uid = uid_in(table, wanted)
        except OSError:  # a kernel without IPv6
            continue
        if uid is not None:
            return uid
    return None


def uid_in(table: Iterable[bytes], wanted: set[tuple[bytes, bytes]]) -> int | None:
    """Return the uid in the row of a wanted pair of addresses whose socket a process still holds."""
    for line in table:
        columns = line.split(None, 10)
        if len(columns) > 9 and (columns[1], columns[2]) in wanted:
            return int(columns[7]) if columns[9] != b"0" else None
    return None


def spelled_rows(ends: Ends) -> Iterator[tuple[bytes, bytes]]:
    """Yield local and remote address of the peer's row: an IPv4 connection may be one of IPv6 sockets, mapped."""
    peer, own = plain(ends.peer), plain(ends.own)
    yield spelled(peer.packed, ends.peer_port), spelled(own.packed, ends.own_port)
    if isinstance(peer, ipaddress.IPv4Address) and isinstance(own, ipaddress.IPv4Address):
        prefix = bytes(10) + b"\xff\xff"
        yield spelled(prefix + peer.packed, ends.peer_port), spelled(prefix + own.packed, ends.own_port)


def plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address of a socket's end, with IPv4 taken out of IPv6. Raises ValueError for none."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def spelled(packed: bytes, port: int) -> bytes:
    """Return an address as the tables spell it: words of 32 bits in the machine's byte order, and the port."""
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    address = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    return f"{address}:{port:04X}".encode()


def is_person(uid: int) -> bool:
    """Return whether the uid is root's, our own, or that of an account with which somebody can log in."""
    return uid in (0, os.geteuid()) or is_login_user(uid)


@lru_cache(maxsize=64)
def is_login_user(uid: int) -> bool:
    """Return whether the account is one for people: in their range, and with a shell."""
    lowest, highest = login_range()
    if not lowest <= uid <= highest:
        return False
    try:
        shell = pwd.getpwuid(uid).pw_shell
    except KeyError:
        return False
    return os.path.basename(shell) not in NO_SHELLS


def login_range() -> tuple[int, int]:
    """Return the uids that login.defs gives to people."""
    limits = {"UID_MIN": UID_MIN, "UID_MAX": UID_MAX}
    try:
        lines = LOGIN_DEFS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, *values = line.split()[:2] or [""]
        if name in limits and values and values[0].isdecimal():
            limits[name] = int(values[0])
    return limits["UID_MIN"], limits["UID_MAX"]

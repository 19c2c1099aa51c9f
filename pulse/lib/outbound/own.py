"""Which addresses are those of this machine, and where its own servers listen."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address


def is_of_this_machine(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the system would take the address as its own; nothing is sent."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as taken:
        taken.bind((str(address), 0))
        return True
    return False


def is_own_server(host: str, address: IPv4Address | IPv6Address) -> bool:
    """Return whether a server of our own, at a host or at this machine (""), can be reached at the address.

    One whose name nobody knows now may be anywhere.
    """
    if not host:
        return is_of_this_machine(address)
    known = addresses_of(host)
    if not known or address in known:
        return True
    return is_of_this_machine(address) and any(is_of_this_machine(one) for one in known)


def addresses_of(host: str) -> set[IPv4Address | IPv6Address]:
    """Return what a name stands for, nothing when that is not known."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers}

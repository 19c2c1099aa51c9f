"""Whose request is it: the address of the client, and the origin that its browser names."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Names under which a machine is reached from itself; anything else may be a rebound DNS name.
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


@lru_cache(maxsize=8)
def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks that a setting names; an address stands for itself. Raises ValueError."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def parse_address(text: str) -> Address | None:
    """Return the IP address, IPv4 also when it comes mapped into IPv6; None when it is none."""
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").split("%", 1)[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def is_loopback(text: str) -> bool:
    """Return whether the address is this machine itself."""
    address = parse_address(text)
    return address is not None and address.is_loopback


def is_trusted(text: str, trusted: Sequence[str]) -> bool:
    """Return whether the address is a reverse proxy whose headers are believed."""
    address = parse_address(text)
    return address is not None and any(address in network for network in networks(tuple(trusted)))


def client_address(peer: str, forwarded_for: str, trusted: Sequence[str]) -> str:
    """Return the address of the client: the peer, or behind trusted proxies the right-most untrusted hop.

    What a client writes to the left of that hop is never looked at: it could write anything.
    """
    if not is_trusted(peer, trusted):
        return peer
    for hop in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        address = parse_address(hop)
        if address is None:
            return peer
        if not is_trusted(hop, trusted):
            return str(address)
    return peer


def host_name(host: str) -> str:
    """Return the name in a Host header without its port, lower case; IPv6 keeps its brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if ":" in host else host


def same_origin(origin: str, *, scheme: str, host: str) -> bool:
    """Return whether an Origin header names exactly this scheme, host and port."""
    try:
        parts = urlsplit(origin.strip().lower())
        own = urlsplit(f"{scheme}://{host.strip().lower()}")
        return bool(parts.hostname) and (
            (parts.scheme, parts.hostname, parts.port or default_port(parts.scheme))
            == (own.scheme, own.hostname, own.port or default_port(own.scheme))
        )
    except ValueError:
        return False


def default_port(scheme: str) -> int:
    """Return the port that a scheme means when none is written."""
    return 443 if scheme in ("https", "wss") else 80


def is_direct_local(peer: str, headers: Mapping[str, str], *, scheme: str) -> bool:
    """Return whether a request comes from this machine itself, by its socket and not by what it says.

    Loopback peer, a local name as Host, no forwarding header, and the same Origin if there is one.
    `headers` has lower-case names. Source: README.md decision 1 of the contract.
    """
    host = headers.get("host", "")
    if not is_loopback(peer) or host_name(host) not in LOCAL_NAMES:
        return False
    if any(name in headers for name in FORWARDING_HEADERS):
        return False
    origin = headers.get("origin")
    return origin is None or same_origin(origin, scheme=scheme, host=host)

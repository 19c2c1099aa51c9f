"""Where a request comes from: the peer of its socket, and what trusted proxies say about it.

Source: README.md decision 1 of the contract. Headers that anybody can write decide nothing by themselves.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host

from pulse.lib.causes import came_from
from pulse.lib.errors import ApiError, response_of
from pulse.lib.origins import is_own, parse_origin
from pulse.lib.peers import Ends

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Names under which a machine reaches itself; any other may be somebody's name that was pointed here.
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: What reverse proxies and tunnels add, beside all that begins with X-Forwarded. One of them is enough to know that the
#: client is not this machine.
PROXY_HEADERS = frozenset(
    {
        "cdn-loop",
        "cf-connecting-ip",
        "cf-ray",
        "client-ip",
        "fastly-client-ip",
        "forwarded",
        "tailscale-user-login",
        "true-client-ip",
        "via",
        "x-amzn-trace-id",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-original-forwarded-for",
        "x-original-host",
        "x-original-url",
        "x-real-ip",
    }
)
PORT = re.compile(r":[0-9]+$")
#: Longer chains of proxies are not followed.
MAX_HOPS = 32


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a request reached this process."""

    peer: str  # address of the socket's other end, empty when the server does not know it
    address: str  # address of the client: the peer, or what trusted proxies say
    scheme: str  # http or https, as the client sees it
    host: str  # host[:port], as the client wrote it
    origin: str | None  # the Origin header
    fetch_site: str  # the Sec-Fetch-Site header, empty from anything but a browser
    is_direct: bool  # nothing says that somebody passed it on
    forwarded_by: str = ""  # the first header that says so
    ends: Ends | None = None  # of the socket, None when the server does not know them

    @property
    def is_own_page(self) -> bool:
        """Whether a page of this Pulse sent the request."""
        return self.origin is not None and is_own(self.origin, scheme=self.scheme, host=self.host)

    @property
    def is_local(self) -> bool:
        """Whether the request comes from this machine itself: by its socket, its Host and its Origin."""
        return (
            self.is_direct and is_loopback(self.peer) and self.is_for_this_machine and self.is_of_same_origin
        )

    @property
    def is_for_this_machine(self) -> bool:
        """Whether its Host is a name by which a machine reaches itself."""
        return host_name(self.host) in LOCAL_NAMES

    @property
    def is_of_same_origin(self) -> bool:
        """Whether its Origin, if any, is its Host; one of https is not: Pulse itself speaks http."""
        return self.origin is None or (
            self.is_own_page and parse_origin(self.origin) == parse_origin(f"{self.scheme}://{self.host}")
        )


def read_arrival(
    *,
    peer: str,
    scheme: str,
    headers: Mapping[str, str],
    http_version: str,
    trusted: Sequence[str],
    ends: Ends | None = None,
) -> Arrival:
    """Return how a request came; header names are lower case."""
    host = headers.get("host", "")
    address = peer
    if is_in(peer, trusted):
        address = client_address(peer, headers.get("x-forwarded-for", ""), trusted)
        # The right-most value is the one that the nearest proxy wrote.
        scheme = last_of(headers.get("x-forwarded-proto", "")).lower() or scheme
        host = last_of(headers.get("x-forwarded-host", "")) or host
    forwarded_by = next(
        (name for name in headers if name in PROXY_HEADERS or name.startswith("x-forwarded")), ""
    )
    return Arrival(
        peer=peer,
        address=address,
        scheme="https" if scheme in ("https", "wss") else "http",
        host=host,
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site", ""),
        # nginx speaks HTTP/1.0 to its upstreams and adds no header unless it is told to.
        is_direct=http_version != "1.0" and not forwarded_by,
        forwarded_by=forwarded_by,
        ends=ends,
    )


class ArrivalMiddleware:
    """Put `request.arrival` on every request, and keep Django from believing the headers of strangers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on the request with its arrival; refuses a Host under which Pulse is not served."""
        arrival = arrival_of(request)
        came_from(arrival.address)
        request.META["HTTP_X_FORWARDED_PROTO"] = arrival.scheme  # what `request.is_secure()` reads
        if arrival.host:
            request.META["HTTP_HOST"] = arrival.host
        if arrival.host and not is_served(arrival.host):
            return response_of(ApiError(400, not_served(), code="bad_request"))
        request.get_host()
        return self.get_response(request)


def is_served(host: str) -> bool:
    """Return whether Pulse answers under the name in a Host header.

    Where nobody needs a credential, a name that its owner points to this machine would open it to the owner's pages (DNS
    rebinding): only addresses, `localhost` and the names that PULSE_ALLOWED_HOSTS lists are answered there.
    """
    name, _ = split_domain_port(host)
    if settings.PULSE_AUTH != "open":
        return bool(name) and validate_host(name, settings.ALLOWED_HOSTS)
    listed = [entry for entry in settings.PULSE_ALLOWED_HOSTS if entry != "*"]
    return (
        name == "localhost" or parse_address(name) is not None or (bool(name) and validate_host(name, listed))
    )


def not_served() -> str:
    """Return the sentence for a request under another name."""
    if settings.PULSE_AUTH != "open":
        return "the Host of the request is not one that Pulse serves"
    return (
        "with PULSE_AUTH=open Pulse answers only to addresses, to localhost and to the names in PULSE_ALLOWED_HOSTS, and the "
        "Host of the request is none of them"
    )


def arrival_of(request: HttpRequest) -> Arrival:
    """Return how the request came, read once."""
    earlier = getattr(request, "arrival", None)
    if isinstance(earlier, Arrival):
        return earlier
    headers = {name.lower(): value for name, value in request.headers.items()}
    request.META.pop(
        "HTTP_X_FORWARDED_PROTO", None
    )  # from here on `request.scheme` is that of the connection
    scope: Mapping[str, Any] = getattr(request, "scope", {})
    arrival = read_arrival(
        peer=request.META.get("REMOTE_ADDR", ""),
        scheme=request.scheme or "http",
        headers=headers,
        http_version=scope.get("http_version", "1.1"),
        trusted=settings.PULSE_TRUSTED_PROXIES,
        ends=ends_of(scope),
    )
    request.arrival = arrival  # type: ignore[attr-defined]
    return arrival


def arrival_of_scope(scope: Mapping[str, Any], headers: Mapping[str, str]) -> Arrival:
    """Return how the request or handshake of an ASGI scope reached this process, its headers by lower-case name."""
    return read_arrival(
        peer=(scope.get("client") or ("",))[0] or "",
        scheme=scope.get("scheme", "http"),
        headers=headers,
        http_version=scope.get("http_version", "1.1"),
        trusted=settings.PULSE_TRUSTED_PROXIES,
        ends=ends_of(scope),
    )


def headers_of_scope(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of an ASGI scope by lower-case name; repeated ones are joined and so match nothing."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope.get("headers", ()):
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        separator = "; " if name == "cookie" else ","
        headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    return headers


def ends_of(scope: Mapping[str, Any]) -> Ends | None:
    """Return both ends of the connection of an ASGI scope, None when they are not those of TCP."""
    client, server = scope.get("client"), scope.get("server")
    if not client or not server or None in (parse_address(client[0]), parse_address(server[0])):
        return None
    return Ends(client[0], client[1], server[0], server[1])


def client_address(peer: str, forwarded_for: str, trusted: Sequence[str]) -> str:
    """Return the right-most hop that is not a trusted proxy.

    What stands further left was written by the client and may be anything; it is never looked at.
    """
    address = peer
    for hop in reversed(forwarded_for.split(",")[-MAX_HOPS:]):
        hop_address = parse_address(hop)
        if hop_address is None:
            return address
        address = str(hop_address)
        if not is_in(address, trusted):
            return address
    return address


def limit_key(address: str) -> str:
    """Return under which name a client is counted: its address, or the /64 that an IPv6 client owns."""
    parsed = parse_address(address)
    if parsed is None:
        return "unknown"
    return network_of(address) if parsed.version == 6 else str(parsed)


def network_of(address: str) -> str:
    """Return the /24 or /64 of an address, empty when it is none."""
    parsed = parse_address(address)
    if parsed is None:
        return ""
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 64), strict=False))


def parse_address(text: str) -> Address | None:
    """Return the address, with IPv4 taken out of IPv6; None for anything else."""
    try:
        parsed = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def is_loopback(text: str) -> bool:
    """Return whether the address is this machine."""
    address = parse_address(text)
    return address is not None and address.is_loopback


def is_in(text: str, networks: Sequence[str]) -> bool:
    """Return whether the address lies in one of the networks."""
    address = parse_address(text) if networks else None
    return address is not None and any(address in network for network in parse_networks(tuple(networks)))


@lru_cache(maxsize=16)
def parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks; an address stands for itself. Raises ValueError for anything else."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def host_name(host: str) -> str:
    """Return the name in a Host header, lower case, without the port; IPv6 keeps its brackets."""
    return PORT.sub("", host.strip().lower())


def last_of(values: str) -> str:
    """Return the last of comma-separated values."""
    return values.rpartition(",")[2].strip()

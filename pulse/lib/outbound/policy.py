"""Which addresses may be called. Judged is the number that is connected to, so that neither spelling nor name server matters."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from pulse.lib.outbound.own import is_own_server

IPAddress = IPv4Address | IPv6Address

#: Answer with the credentials of the machine at cloud providers; those in link-local networks are refused anyway.
METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(spelled)
    for spelled in (
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
        "fd00:42::42",  # Scaleway
        "fd00:ec2::23",  # Amazon, for pods
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
    )
)
BROADCAST = IPv4Address("255.255.255.255")
#: Where the last 32 bits are the IPv4 address that is really meant: NAT64 and SIIT.
TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::ffff:0:0:0/96")))
#: NAT64 in a network of one's own, as a whole or in parts of 96 bits.
LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
#: All unicast addresses of the internet, and those of its IPv4 part behind a NAT64.
PUBLIC = tuple(map(ipaddress.IPv6Network, ("2000::/3", "64:ff9b::/96")))
#: The interface part of an ISATAP address, with and without the bit for a globally unique one.
ISATAP = (0x00005EFE, 0x02005EFE)
#: Below it are the ports that only root may listen at.
FIRST_FREE_PORT = 1024
THIS_MACHINE = "is this machine itself"


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What a caller may reach. Never allowed are link-local, metadata and group addresses, however they are spelled.

    Loopback is this machine; private is all else that the internet does not route. IPv4 inside IPv6 is judged by what it means.
    `low_ports` are the ports below 1024 that may be called, None for all of them. `own_servers` are never called, whatever else
    is allowed: host, "" for this machine, and port.
    """

    allows_loopback: bool
    allows_private: bool
    low_ports: frozenset[int] | None = None
    own_servers: frozenset[tuple[str, int]] = frozenset()

    def refusal_of(self, address: IPAddress, port: int | None = None) -> str:
        """Return why this address, or a port of it, is refused, as the end of a sentence; "" when it is allowed."""
        meanings = _meanings_of(address)
        refusal = next(filter(None, map(self._refusal_of, meanings)), "")
        return refusal if refusal or port is None else self.refusal_of_port(port, meanings)

    def refusal_of_port(self, port: int, meanings: Iterable[IPAddress] = ()) -> str:
        """Return why a port is refused; without an address only what holds for all of them."""
        if self.low_ports is not None and port < FIRST_FREE_PORT and port not in self.low_ports:
            listed = ", ".join(map(str, sorted(self.low_ports)))
            return (
                f"is not called at port {port}: of the ports below {FIRST_FREE_PORT} only these are: {listed}"
            )
        hosts = [host for host, own_port in self.own_servers if own_port == port]
        if any(is_own_server(host, meaning) for meaning in meanings for host in hosts):
            return f"is not called at port {port}: Pulse itself listens or stores there"
        return ""

    def _refusal_of(self, address: IPAddress) -> str:
        if address in METADATA_ADDRESSES or address.is_link_local:
            return "is a link-local or metadata address"
        if address.is_multicast or address.is_unspecified or address == BROADCAST:
            return "is not the address of one host"
        if address.is_loopback:
            return "" if self.allows_loopback else THIS_MACHINE
        return "" if self.allows_private or _is_public(address) else "is not a public address"


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global
    # 6to4 is global for some releases of Python and not for others; the IPv4 address in it is judged beside it.
    is_global = address.is_global or address.sixtofour is not None
    return is_global and any(address in network for network in PUBLIC)


def _meanings_of(address: IPAddress) -> tuple[IPAddress, ...]:
    """Return the IPv4 addresses that an address stands for, and itself."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    bits = int(address)
    last = IPv4Address(bits & 0xFFFFFFFF)
    meanings: list[IPAddress | None] = [address.sixtofour, *(address.teredo or ())]
    is_compatible = bits >> 32 == 0 and bits > 0xFFFF  # ::192.0.2.1, long out of use
    is_isatap = (bits >> 32) & 0xFFFFFFFF in ISATAP
    if is_compatible or is_isatap or any(address in network for network in TRANSLATED):
        meanings.append(last)
    if address in LOCAL_NAT64:
        # RFC 6052 has the address of a /48 around eight bits that stay empty.
        halves = (bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF
        meanings += [meant for meant in (last, IPv4Address(halves)) if int(meant)] or [last]
    return (*(meant for meant in meanings if meant is not None), address)

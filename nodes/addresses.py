"""Addresses and fingerprints as people type them, brought into the one form that is stored. Pure; no look-up here.

Source: http-api.md 5.1 and 5.2 of the contract.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from pulse.lib.outbound.places import place_of
from pulse.lib.outbound.policy import AddressPolicy

PVE_PORT = 8006
PBS_PORT = 8007
SCHEMES = ("http", "https")
HOST_LIMIT = 253
FINGERPRINT_LENGTH = 64
SHA1_LENGTH = 40

LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
#: A last label that is a number makes the whole a number for some resolvers: 127.1, 0x7f.1 and 2130706433.
NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: What a host may be called by itself alone.
LOOPBACK_NAMES = frozenset({"localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"})
#: What can be the address of a host at all; what may be called is another question (`nodes.reach`).
SPELLED = AddressPolicy(allows_loopback=True, allows_private=True)


def normalise_host(kind: str, text: str) -> str:
    """Return the base URL of a host, such as `https://pve1.lab:8006`.

    Path, query and trailing slash go; https is the scheme when none is given, and 8006 (PVE over https) or 8007 (PBS)
    the port. Raises ValueError with a sentence for people.
    """
    trimmed = text.strip()
    if not trimmed:
        raise ValueError("host is required")
    scheme, authority = _split(trimmed)
    host, port = _host_and_port(authority)
    if port is None and kind == "pbs":
        port = PBS_PORT
    if port is None and scheme == "https":
        port = PVE_PORT
    bracketed = f"[{host}]" if ":" in host else host
    return f"{scheme}://{bracketed}" if port is None else f"{scheme}://{bracketed}:{port}"


def _split(text: str) -> tuple[str, str]:
    """Return scheme and authority; everything after the authority is dropped."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text
    scheme = scheme.lower()
    if scheme not in SCHEMES:
        raise ValueError("host must begin with https:// or http://, or with the name itself")
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise ValueError("host must not hold a user name or password; they have fields of their own")
    return scheme, authority


def _host_and_port(authority: str) -> tuple[str, int | None]:
    """Return the checked host and the port, None where it is left out."""
    if authority.startswith("["):
        inside, bracket, after = authority[1:].partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise ValueError("host holds an IPv6 address without its closing bracket")
        if ":" not in inside:
            raise ValueError("only an IPv6 address stands in brackets")
        return checked_host(inside), _port(after[1:])
    if authority.count(":") > 1:
        return checked_host(authority), None
    host, _, port = authority.partition(":")
    return checked_host(host), _port(port)


def _port(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError("the port must be a number from 1 to 65535")
    return int(text)


def checked_host(text: str) -> str:
    """Return a host name in lower case, or an IP address in its shortest spelling.

    Raises ValueError for anything a resolver could read in two ways, and for addresses no host can have.
    """
    host = text.strip().lower().rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _checked_name(host)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise ValueError("an address with a zone is only known to one machine; use a name or another address")
    if refusal := SPELLED.refusal_of(address):
        raise ValueError(f"{address} {refusal}")
    return str(address)


def _checked_name(host: str) -> str:
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("host is not a valid name") from None
    labels = host.split(".")
    if len(host) > HOST_LIMIT or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError("host is not a valid name or address")
    if NUMBER_LABEL.fullmatch(labels[-1]):
        raise ValueError("host is not a valid IP address; write it as four numbers, such as 192.0.2.10")
    return host


def default_name(kind: str, url: str) -> str:
    """Return the name of an instance nobody named: the host without scheme, port and brackets.

    `kind` makes no difference here: a PBS that tells its own node name is asked by the caller.
    """
    return place_of(url).host


def base_url_for_member(configured_url: str, member: str) -> str:
    """Return the address of another member of the cluster: its host with the configured scheme and port.

    Raises ValueError when the member's name or address, which a Proxmox host told, is not a host.
    """
    host = checked_host(member)
    parts = urlsplit(configured_url)
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}" + (f":{parts.port}" if parts.port else "")


def normalise_fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint as 64 hex digits in lower case, or "" for none.

    Colons, blanks and a leading `sha256:` are accepted. Raises ValueError with a sentence.
    """
    plain = re.sub(r"[\s:]", "", text.strip().lower().removeprefix("sha256").lstrip("=: "))
    if not plain:
        return ""
    if len(plain) == SHA1_LENGTH and re.fullmatch(r"[0-9a-f]+", plain):
        raise ValueError("fingerprint is a SHA-1 one; the SHA-256 fingerprint has 64 hexadecimal digits")
    if len(plain) != FINGERPRINT_LENGTH or not re.fullmatch(r"[0-9a-f]+", plain):
        raise ValueError("fingerprint must be the SHA-256 of the certificate: 64 hexadecimal digits")
    return plain


def spelled_fingerprint(fingerprint: str) -> str:
    """Return a stored fingerprint as Proxmox shows it: upper case, in pairs, with colons."""
    upper = fingerprint.upper()
    return ":".join(upper[index : index + 2] for index in range(0, len(upper), 2))

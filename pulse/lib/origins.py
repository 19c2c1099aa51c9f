"""Origins: is the page that asks ours, or one that the operator has listed?

Source: errors.md section 4 and state.md 7.1 of the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port: what the same-origin policy of browsers compares."""

    scheme: str
    host: str
    port: int


def parse_origin(text: str) -> Origin | None:
    """Return the origin of `scheme://host[:port]`; None for anything else, such as `null`."""
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return None
    return Origin(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme])


def is_own(origin: str, *, scheme: str, host: str) -> bool:
    """Return whether the Origin header names the address under which the request came, `host` as in `Host`.

    A page under https also counts when the request came under http: that is a TLS proxy which is not listed in
    PULSE_TRUSTED_PROXIES, and the holder of the https name is at least as trustworthy. Never the other way.
    """
    given = parse_origin(origin)
    if given is None:
        return False
    return given == parse_origin(f"{scheme}://{host}") or given == parse_origin(f"https://{host}")


def is_listed(origin: str, allowed: Sequence[str]) -> bool:
    """Return whether the origin is named in the list, by scheme, host and port; `*` names nobody in particular."""
    given = parse_origin(origin)
    return given is not None and any(given == parse_origin(entry) for entry in allowed)


def is_allowed(origin: str, allowed: Sequence[str]) -> bool:
    """Return whether pages of the origin may read answers: it is listed, or everybody is."""
    return "*" in allowed or is_listed(origin, allowed)

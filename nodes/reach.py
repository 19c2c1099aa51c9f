"""Which addresses a host may be called at: what is decided in the database, and what is refused whatever that says.

Source: security.md A35.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings

from nodes.addresses import LOOPBACK_NAMES
from nodes.models import AddressRule
from nodes.proxmox.errors import LOOPBACK_REMEDY
from pulse.lib.outbound.places import place_of
from pulse.lib.outbound.policy import THIS_MACHINE, AddressPolicy

#: Proxmox, and what stands before it, listens above 1023 or at the ports of HTTP.
LOW_PORTS = frozenset({80, 443})
REDIS_PORT = 6379
POSTGRES_PORT = 5432


def policy() -> AddressPolicy:
    """Return what may be called now; one query."""
    return AddressPolicy(
        allows_loopback=AddressRule.objects.filter(allows_loopback=True).exists(),
        allows_private=True,
        low_ports=LOW_PORTS | frozenset(settings.PULSE_HOST_PORTS),
        own_servers=own_servers(),
    )


def own_servers() -> frozenset[tuple[str, int]]:
    """Return where Pulse listens and stores, as host and port; "" is this machine."""
    servers = {("", settings.PULSE_PORT)}
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("postgresql"):
        host = database.get("HOST", "")
        servers.add(("" if host.startswith("/") else host, int(database.get("PORT") or POSTGRES_PORT)))
    redis = urlsplit(settings.PULSE_REDIS_URL)
    if redis.scheme in ("redis", "rediss"):
        servers.add((redis.hostname or "", redis.port or REDIS_PORT))
    return frozenset(servers)


def refusal_of(url: str) -> str:
    """Return in a sentence why a base URL may not be called, as far as it says itself where it leads; "" when it may.

    Where a name leads is judged when it is called.
    """
    place, rule = place_of(url), policy()
    try:
        refusal = rule.refusal_of(ipaddress.ip_address(place.host), place.port)
    except ValueError:
        is_loopback = place.host in LOOPBACK_NAMES or place.host.endswith(".localhost")
        refusal = (
            THIS_MACHINE if is_loopback and not rule.allows_loopback else rule.refusal_of_port(place.port)
        )
    if not refusal:
        return ""
    return f"{place.host} {refusal}" + (f". {LOOPBACK_REMEDY}" if refusal == THIS_MACHINE else "")

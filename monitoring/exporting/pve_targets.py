"""Which PVE instance a `target` means, as it stands in the configuration of a Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from nodes.choices import InstanceKind
from nodes.models import Instance


class Target(NamedTuple):
    """An instance, and the node of it whose address was named; "" for the one that answers Pulse."""

    instance: Instance
    node: str = ""


def targets_of(target: str) -> list[Target]:
    """Return the instances that a target names: the one of this wire id, else of this name, else those that have this host.

    A host is that of the instance or of a member of its cluster, with its port or without.
    """
    instances = list(Instance.objects.filter(kind=InstanceKind.PVE).prefetch_related("endpoints"))
    by_id = [Target(one) for one in instances if one.wire_id == target]
    by_name = [Target(one) for one in instances if one.name == target]
    return by_id or by_name or list(having(instances, target.lower().removesuffix("/")))


def having(instances: list[Instance], host: str) -> Iterator[Target]:
    """Yield the instances that are asked at a host, or that have a member there."""
    address = address_in(host)
    for instance in instances:
        url = urlsplit(instance.host)
        if host in (instance.host, url.netloc, url.hostname):
            yield Target(instance, node_at(instance, address))
        elif node := node_at(instance, address):
            yield Target(instance, node)


def address_in(host: str) -> str:
    """Return a host without scheme and port, "" for what is none."""
    try:
        return urlsplit(f"//{host.rpartition('//')[2]}").hostname or ""
    except ValueError:  # a bracket too many
        return ""


def node_at(instance: Instance, address: str) -> str:
    """Return the member of a cluster that has an address, "" for none."""
    return next((one.node_name for one in instance.endpoints.all() if address and one.address == address), "")

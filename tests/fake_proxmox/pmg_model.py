"""A mail gateway and its nodes: facts, and how a new one is made."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.certificates import CERTIFICATE_DAYS
from tests.fake_proxmox.curves import DAY_SECONDS, Load, draw_load
from tests.fake_proxmox.model import GIB

if TYPE_CHECKING:
    from tests.fake_proxmox.building import PmgSpec

QUEUES = ("deferred", "active", "incoming", "hold")
#: Ages of messages in a queue, as qshape heads its columns.
AGES = ("5m", "10m", "20m", "40m", "80m", "160m", "320m", "640m", "1280m", "1280m+")


@dataclass
class MailNode:
    """A host of a mail gateway."""

    name: str
    number: int
    address: str
    load: Load
    cpus: int = 4
    memory_bytes: int = 8 * GIB
    root_bytes: int = 60 * GIB
    created_at: float = 0.0
    started_at: float = 0.0
    fingerprint: str = ""
    certificate_expires_at: float = 0.0
    is_in_sync: bool = True
    connection_error: str = ""  # what the others say of it; empty: they reach it
    queues: dict[str, dict[str, list[int]]] = field(
        default_factory=dict
    )  # queue -> domain -> messages by age
    fixed: dict[str, Any] = field(default_factory=dict)


@dataclass
class MailGateway:
    """A mail gateway, alone or a cluster of them."""

    name: str
    version: tuple[int, int]
    nodes: dict[str, MailNode] = field(default_factory=dict)
    messages_per_day: int = 9_000
    fixed: dict[str, Any] = field(default_factory=dict)  # of the statistics, in wire keys
    revision: int = 0

    @property
    def kind(self) -> str:
        """Which product this is."""
        return "pmg"


def build_mail_gateway(spec: PmgSpec, *, seed: int, at: float) -> MailGateway:
    """Return the mail gateway of a specification as it stands at an instant."""
    random = Random(seed ^ zlib.crc32(spec.name.encode()))
    midnight = at - at % DAY_SECONDS
    major, minor = spec.version.split(".")
    gateway = MailGateway(spec.name, (int(major), int(minor)), messages_per_day=spec.messages_per_day)
    for number in range(1, spec.nodes + 1):
        name = spec.name if spec.nodes == 1 else f"{spec.name}-{number:02d}"
        load = draw_load(random, cpu_ratio=0.09, memory_ratio=0.55, traffic=400_000, bursts=0.1)
        node = MailNode(name, number, "127.0.0.1" if spec.nodes == 1 else f"127.0.0.{number + 1}", load)
        node.started_at = midnight - random.uniform(4, 80) * DAY_SECONDS
        node.created_at = midnight - 800 * DAY_SECONDS
        node.certificate_expires_at = midnight + CERTIFICATE_DAYS * DAY_SECONDS
        node.queues = {queue: {} for queue in QUEUES}
        node.queues["active"]["example.net"] = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        if spec.deferred:
            old = spec.deferred // 3
            node.queues["deferred"] = {
                "example.org": [spec.deferred - old, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                "slow.example.com": [0, 0, 0, 0, 0, 0, 0, 0, 0, old],
            }
        gateway.nodes[name] = node
    return gateway

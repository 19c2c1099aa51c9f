"""What stands in guests from the beginning: agents, snapshots, notes. Draws nothing from the estate's own dice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake_proxmox.guests import draw
from tests.fake_proxmox.model import Cluster, Guest, GuestSnapshot
from tests.fake_proxmox.roles import HOSTILE_TEXTS

if TYPE_CHECKING:
    from tests.fake_proxmox.building import PveSpec

AGENT_SHARE = 0.9
SNAPSHOT_SHARE = 1 / 6
TROUBLES = ("dead", "disabled", "hung", "unsupported")
_NOTES = {
    "postgres": "primary, see the runbook before a restart",
    "truenas": "disks are passed through: do not migrate",
    "gitlab": "upgrades on the first Sunday",
    "home-assistant": "Zigbee stick on USB 1-3",
}


def furnish(cluster: Cluster, spec: PveSpec, midnight: float) -> None:
    """Give the guests of a new cluster what their specification says."""
    guests = list(cluster.guests.values())
    _install_agents([guest for guest in guests if guest.kind == "qemu"], spec)
    _take_snapshots(guests, spec, midnight)
    for index, guest in enumerate(guests):
        if spec.hostile:
            guest.notes = HOSTILE_TEXTS[index % len(HOSTILE_TEXTS)]
        else:
            guest.notes = _NOTES.get(guest.name.removesuffix("-01"), "")


def _install_agents(machines: list[Guest], spec: PveSpec) -> None:
    wanted = spec.agents
    for index, guest in enumerate(machines):
        has_agent = draw(guest, 4) < AGENT_SHARE if wanted is None else index < wanted
        guest.agent = "ok" if has_agent else "none"
    troubled = [guest for guest in machines if guest.agent == "ok" and guest.started_at is not None]
    for index, guest in enumerate(troubled[1 : 1 + spec.agent_troubles]):
        guest.agent = TROUBLES[index % len(TROUBLES)]


def _take_snapshots(guests: list[Guest], spec: PveSpec, midnight: float) -> None:
    wanted = spec.guest_snapshots
    number = 0
    for index, guest in enumerate(guests):
        if not (draw(guest, 5) < SNAPSHOT_SHARE if wanted is None else index < wanted):
            continue
        number += 1
        first = GuestSnapshot("before-upgrade", midnight - int(3 + 90 * draw(guest, 6)) * 86_400 + 52_000)
        first.description = "before the release upgrade\n"
        first.has_memory = guest.kind == "qemu" and number % 2 == 0
        guest.snapshots[first.name] = first
        if number % 3 == 0:
            second = GuestSnapshot("tested", first.taken_at + 7_200, first.name)
            guest.snapshots[second.name] = second
        if number == 4:
            broken = GuestSnapshot("nightly", midnight - 86_400, list(guest.snapshots)[-1], state="delete")
            guest.snapshots[broken.name] = broken

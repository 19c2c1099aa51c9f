"""What is known of one instance when backups are judged, apart from where it is kept; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.backups.attribution import BackupServer
from monitoring.known.facts import Facts
from monitoring.known.memory import PollMemory
from nodes.proxmox.readings.live import GuestReading


@dataclass(frozen=True, slots=True)
class Collected:
    """One instance and what is known of it; of a paused one it is evidence only, and nothing is judged.

    `identity` says under what others know it, should it be a PBS. `guests` are those of a PVE, `guest_kinds` those of them
    that are to be monitored.
    """

    instance_id: int
    identity: BackupServer
    facts: Facts
    memory: PollMemory
    guests: Sequence[GuestReading] = ()
    is_paused: bool = False
    guest_kinds: frozenset[str] = frozenset()
    monitors_backups: bool = True
    monitors_datastores: bool = True
    #: Why it did not answer last, as its row has it.
    failure_code: str = ""
    failure_message: str = ""

    @property
    def guests_by_vmid(self) -> dict[int, GuestReading]:
        """The guests by their numbers."""
        return {one.vmid: one for one in self.guests}

    @property
    def name(self) -> str:
        """The name of the instance."""
        return self.identity.instance

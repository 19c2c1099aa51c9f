"""Verbs of a PVE site that change what is inside guests: agents, file systems, snapshots, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.model import GuestSnapshot

if TYPE_CHECKING:
    from tests.fake_proxmox.sites import PveSite

AGENT_STATES = ("ok", "dead", "disabled", "hung", "unsupported", "none")


class GuestVerbs:
    """Part of PveSite."""

    def set_agent(self: PveSite, vmid: int, state: str, delay_seconds: float | None = None) -> None:
        """The guest agent is ok, dead (given up after 3 s), disabled (its commands), hung, unsupported, or none (not configured).

        `delay_seconds` replaces those 3 s for this guest.
        """
        if state not in AGENT_STATES:
            raise ValueError(f"no agent {state!r}; there are {', '.join(AGENT_STATES)}")
        with self.changing():
            guest = self.guest(vmid)
            guest.agent = state
            guest.agent_delay_seconds = delay_seconds

    def set_filesystems(self: PveSite, vmid: int, filesystems: list[dict[str, Any]] | None) -> None:
        """The agent tells exactly these file systems, in wire form; None: those of its system again."""
        with self.changing():
            self.guest(vmid).filesystems = filesystems

    def set_notes(self: PveSite, vmid: int, notes: str) -> None:
        """The guest has these notes."""
        with self.changing():
            self.guest(vmid).notes = notes

    def add_snapshot(
        self: PveSite,
        vmid: int,
        name: str,
        *,
        taken_at: float | None = None,
        has_memory: bool = False,
        description: str = "",
        parent: str = "",
        state: str = "",
    ) -> None:
        """A snapshot of a guest exists, taken now unless told; `state` "prepare" or "delete" makes it a broken one."""
        with self.changing():
            at = self.clock.now() if taken_at is None else taken_at
            snapshots = self.guest(vmid).snapshots
            before = parent or (list(snapshots)[-1] if snapshots else "")
            snapshots[name] = GuestSnapshot(name, at, before, description, has_memory, state)

    def remove_snapshot(self: PveSite, vmid: int, name: str) -> None:
        """The snapshot is gone; those that follow have its parent."""
        with self.changing():
            snapshots = self.guest(vmid).snapshots
            gone = snapshots.pop(name)
            for snapshot in snapshots.values():
                if snapshot.parent == name:
                    snapshot.parent = gone.parent


GUEST_VERBS = ("set_agent", "set_filesystems", "set_notes", "add_snapshot", "remove_snapshot")

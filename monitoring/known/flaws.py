"""What Pulse itself fails at: no fault of a host, and never silent."""

from __future__ import annotations

from nodes.proxmox.errors import ProxmoxError


class Broken(ProxmoxError):
    """Pulse itself stumbled over an answer; the log has the details."""

    code = "internal_error"
    remedy = "The log of Pulse has the details; please report it"

    def __init__(self, kind: str) -> None:
        super().__init__(f"Pulse could not work with the answer ({kind})")

"""The calls of Proxmox VE that ask the agent inside a virtual machine."""

from __future__ import annotations

from typing import Any

from tests.fake_proxmox import guests
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import Guest
from tests.fake_proxmox.pve import call
from tests.fake_proxmox.pve_guests import guest_of, row_of

_PATH = "/nodes/{node}/qemu/{vmid}/agent/"
_NOW = ("/vms/{vmid}", "VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")
_BEFORE_9: tuple[tuple[int, int], tuple[str, ...]] = ((9, 0), ("/vms/{vmid}", "VM.Monitor"))
#: A command may take so much longer than a ping.
_COMMAND_FACTOR = 5 / 3
_COMMANDS = (
    "guest-sync-delimited",
    "guest-sync",
    "guest-ping",
    "guest-get-time",
    "guest-info",
    "guest-shutdown",
    "guest-exec",
    "guest-get-host-name",
    "guest-get-users",
    "guest-get-timezone",
    "guest-get-osinfo",
    "guest-network-get-interfaces",
    "guest-get-fsinfo",
    "guest-get-vcpus",
)


def _asked(request: Call, command: str) -> Guest | Row:
    """Return the guest if its agent carries out a command, or the error that the agent itself tells; fails otherwise."""
    guest = guest_of(request, "qemu")
    if guest.agent == "none":
        raise ApiFailure(500, "No QEMU guest agent configured")
    if guest.started_at is None:
        raise ApiFailure(500, f"VM {guest.vmid} is not running")
    delay = guest.agent_delay_seconds
    if delay is None:
        delay = request.site.estate.agent_delay_seconds
    failed = f"VM {guest.vmid} qga command '{command}' failed - "
    match guest.agent:
        case "dead":
            raise ApiFailure(500, "QEMU guest agent is not running", delay_seconds=delay)
        case "hung":
            raise ApiFailure(500, f"{failed}got timeout", delay_seconds=delay * _COMMAND_FACTOR)
        case "disabled":
            raise ApiFailure(500, f"{failed}Command {command} has been disabled: the command is not allowed")
        case "unsupported":
            return {
                "error": {
                    "class": "Unsupported",
                    "desc": "this feature or command is not currently supported",
                }
            }
    return guest


@call("GET", _PATH + "get-fsinfo", privilege=_NOW, older_privilege=_BEFORE_9, is_proxied=True)
def file_systems(request: Call) -> Row:
    """The mounted file systems."""
    guest = _asked(request, "guest-get-fsinfo")
    return {"result": guests.filesystems(guest, request.now) if isinstance(guest, Guest) else guest}


@call("GET", _PATH + "network-get-interfaces", privilege=_NOW, older_privilege=_BEFORE_9, is_proxied=True)
def interfaces(request: Call) -> Row:
    """The network interfaces and their addresses."""
    guest = _asked(request, "guest-network-get-interfaces")
    if not isinstance(guest, Guest):
        return {"result": guest}
    row = row_of(request, guest)
    return {"result": guests.interfaces(guest, row.get("netin", 0), row.get("netout", 0))}


@call("GET", _PATH + "get-osinfo", privilege=_NOW, older_privilege=_BEFORE_9, is_proxied=True)
def system(request: Call) -> Row:
    """Name and version of the operating system."""
    guest = _asked(request, "guest-get-osinfo")
    if not isinstance(guest, Guest):
        return {"result": guest}
    known = guests.SYSTEMS[guest.system]
    result: Row = {
        "id": known.id,
        "name": known.name,
        "pretty-name": known.pretty_name,
        "version": known.version,
        "version-id": known.version_id,
        "kernel-release": known.kernel,
        "kernel-version": "10.0" if known.id == "mswindows" else "#1 SMP PREEMPT_DYNAMIC",
        "machine": "x86_64",
    }
    if known.id == "mswindows":
        result |= {"variant": "server", "variant-id": "server"}
    return {"result": result}


@call("GET", _PATH + "get-host-name", privilege=_NOW, older_privilege=_BEFORE_9, is_proxied=True)
def host_name(request: Call) -> Row:
    """The name that the guest gives itself."""
    guest = _asked(request, "guest-get-host-name")
    return {"result": {"host-name": guest.name} if isinstance(guest, Guest) else guest}


@call("GET", _PATH + "info", privilege=_NOW, older_privilege=_BEFORE_9, is_proxied=True)
def information(request: Call) -> Row:
    """The version of the agent and what it can do."""
    guest = _asked(request, "guest-info")
    if not isinstance(guest, Guest):
        return {"result": guest}
    commands: list[dict[str, Any]] = [
        {"name": name, "enabled": True, "success-response": True} for name in _COMMANDS
    ]
    return {"result": {"version": "8.2.2", "supported_commands": commands}}

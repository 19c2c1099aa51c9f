"""What an account may do, and which version a node runs: asked first, because both decide what else is asked.

Readers raise BadAnswer only. Source: api-facts.md sections 4.1 and 4.2.
"""

from __future__ import annotations

from nodes.proxmox.calls import Call
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.access import PermissionsReading
from nodes.proxmox.values import fields, is_true, text

PATH_LIMIT = 512
PATHS_LIMIT = 20_000
PRIVILEGE_LIMIT = 64
#: Proxmox knows some fifty.
PRIVILEGES_LIMIT = 256


def read_permissions(data: object) -> PermissionsReading:
    """Return the reading of GET /access/permissions: the flag of a privilege says whether it goes on below its path.

    PVE sends the flag as 0 or 1, PBS as true or false; a privilege is held with either.
    """
    if not isinstance(data, dict) or len(data) > PATHS_LIMIT:
        raise BadAnswer("The answer about permissions is not an object, or one of too many paths")
    held: dict[str, frozenset[str]] = {}
    inherited: dict[str, frozenset[str]] = {}
    for spelled, privileges in data.items():
        path = text(spelled, PATH_LIMIT)
        if not path.startswith("/"):
            continue
        flags = {
            privilege: is_true(flag)
            for key, flag in list(fields(privileges).items())[:PRIVILEGES_LIMIT]
            if (privilege := text(key, PRIVILEGE_LIMIT))
        }
        held[path] = frozenset(flags)
        inherited[path] = frozenset(privilege for privilege, goes_on in flags.items() if goes_on)
    if data and not held:
        raise BadAnswer("No entry of the answer about permissions can be read")
    return PermissionsReading(held=held, inherited=inherited)


#: What the calling account, or token, holds on PVE or PBS; everybody may ask about oneself. A fresh token holds nothing: an
#: empty reading, with which every other list comes back empty as well.
permissions = Call("/access/permissions", read_permissions)

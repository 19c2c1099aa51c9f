"""What an account may do, which decides what else is asked, and when it expires.

Readers raise BadAnswer only. Source: api-facts.md sections 4.1 and 4.2.
"""

from __future__ import annotations

from nodes.proxmox.calls import Call
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.access import AccountReading, PermissionsReading, TokenReading
from nodes.proxmox.rows import Thing, fields_of, row_of
from nodes.proxmox.values import epoch, fields, is_true, name, text

PATH_LIMIT = 512
PATHS_LIMIT = 20_000
PRIVILEGE_LIMIT = 64
#: Proxmox knows some fifty.
PRIVILEGES_LIMIT = 256
TOKENS_LIMIT = 1_000


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


def read_account(data: object) -> AccountReading:
    """Return the reading of GET /access/users/{user} of PVE: its tokens are an object by their names."""
    row = fields_of(data, "the account")
    tokens = [
        TokenReading(label, epoch(fields(entry).get("expire")))
        for key, entry in list(fields(row.get("tokens")).items())[:TOKENS_LIMIT]
        if (label := name(key))
    ]
    return AccountReading(epoch(row.get("expire")), tuple(sorted(tokens, key=lambda token: token.name)))


read_token = Thing("the token", row_of(TokenReading), lack="tells no id")

#: A user of PVE with its tokens. A token may not ask about itself there, an auditor may about every user.
account = Call("/access/users/{user}", read_account)
#: A token of PBS.
token = Call("/access/users/{user}/token/{name}", read_token)
#: What the calling account, or token, holds on PVE or PBS; everybody may ask about oneself. A fresh token holds nothing: an
#: empty reading, with which every other list comes back empty as well.
permissions = Call("/access/permissions", read_permissions)

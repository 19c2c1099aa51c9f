"""What an account may do, and for how long: GET /access/permissions and /access/users of PVE and PBS."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nodes.proxmox.values import Epoch, Name


class PermissionsReading(msgspec.Struct, frozen=True):
    """Path of the access tree to the privileges held there; those that go on below it are in `inherited`."""

    held: dict[str, frozenset[str]] = {}
    inherited: dict[str, frozenset[str]] = {}

    def has(self, path: str, privilege: str) -> bool:
        """Return whether the account has the privilege at a path, by an entry there or one above that goes on.

        Proxmox lists every path that has an entry with all the privileges in force there: the nearest one decides.
        """
        if path in self.held:
            return privilege in self.held[path]
        above = path
        while above != "/":
            above = above.rpartition("/")[0] or "/"
            if above in self.held:
                return privilege in self.inherited.get(above, frozenset())
        return False


class TokenReading(msgspec.Struct, frozen=True, gc=False):
    """A token of a user; of PBS the answer of GET /access/users/{user}/token/{name}, under its whole id."""

    name: Annotated[Name, "tokenid"]
    expires_epoch: Annotated[Epoch, "expire"] = None  # None: never


class AccountReading(msgspec.Struct, frozen=True):
    """GET /access/users/{user} of PVE: until when a user may log in, and each of its tokens. None is never."""

    expires_epoch: Annotated[Epoch, "expire"] = None
    tokens: tuple[TokenReading, ...] = ()

    def ends_epoch(self, token: str) -> int | None:
        """Return when the user or this token of it expires, whichever comes first; "" is no token."""
        ends = [self.expires_epoch, *(one.expires_epoch for one in self.tokens if one.name == token)]
        return min((end for end in ends if end is not None), default=None)

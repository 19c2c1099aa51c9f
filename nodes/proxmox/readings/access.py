"""What an account may do: GET /access/permissions of PVE and PBS."""

from __future__ import annotations

import msgspec


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

"""What an account must hold to see backups, in a storage of PVE or on a PBS; pure. Without it a list is empty, not refused.

Source: api-facts.md 4.1, 4.2 and 11.1.
"""

from __future__ import annotations

from nodes.proxmox.readings.access import PermissionsReading

ALLOCATE = "Datastore.Allocate"
ALLOCATE_SPACE = "Datastore.AllocateSpace"
BACKUP = "VM.Backup"
#: What opens a namespace of a PBS: all backups in it, or one's own.
SEEING = ("Datastore.Audit", "Datastore.Backup")
#: Where a privilege on guests may stand: above all of them, at one, or at a pool of them.
GUEST_PATHS = ("/vms", "/pool")


def sees_storage(held: PermissionsReading, storage: str) -> bool:
    """Return whether a storage of this name would be listed to the account, if there is one."""
    return any(held.has(f"/storage/{storage}", one) for one in ("Datastore.Audit", ALLOCATE, ALLOCATE_SPACE))


def sees_all_backups(held: PermissionsReading, storage: str) -> bool:
    """Return whether the account sees the backups of all guests in a storage."""
    path = f"/storage/{storage}"
    return held.has(path, ALLOCATE) or (held.has(path, ALLOCATE_SPACE) and held.has("/vms", BACKUP))


def sees_backups(held: PermissionsReading, storage: str) -> bool:
    """Return whether the account sees any backup in a storage, be it that of a single guest."""
    if sees_all_backups(held, storage):
        return True
    return held.has(f"/storage/{storage}", ALLOCATE_SPACE) and any(
        BACKUP in privileges and (path == "/" or path.startswith(GUEST_PATHS))
        for path, privileges in held.held.items()
    )


def sees_datastore(held: PermissionsReading, datastore: str) -> bool:
    """Return whether the account sees anything in a datastore of a PBS, or in a namespace of it."""
    path = f"/datastore/{datastore}"
    return any(held.has(path, privilege) for privilege in SEEING) or any(
        below.startswith(f"{path}/") and privileges.intersection(SEEING)
        for below, privileges in held.held.items()
    )

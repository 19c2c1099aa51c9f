"""Since when a guest exists: a number is used again, and a backup from before its guest was made is of another one; pure.

A restore keeps the instant, and so does a migration; a clone gets its own. Containers and machines made before PVE 7.1 have none:
there the name in the newest backup is all that speaks of it, and only raises a doubt, because guests are renamed.
Source: qemu-server, `meta` in GET /nodes/{node}/qemu/{vmid}/config.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from monitoring.backups.attribution import NAME_PART, SKEW_SECONDS, Attribution, Estate, is_before, names
from monitoring.backups.collected import Collected
from monitoring.backups.coverage import Backup
from monitoring.known.facts import GuestFacts


class NamedBackup(NamedTuple):
    """A backup with the name that it carries."""

    vmid: int
    taken_epoch: int
    name: str


def birth_of(known: GuestFacts) -> int | None:
    """Return when a guest was made, in epoch seconds, None while that is not known.

    A host whose clock was ahead wrote an instant that had not come when it was read: it says nothing.
    """
    born = known.config.made_epoch if known.config is not None else None
    return born if born is not None and born <= known.config_epoch + SKEW_SECONDS else None


def births_of(host: Collected) -> dict[int, int]:
    """Return when the guests of a PVE were made, of those of which it is known."""
    births = ((guest.vmid, birth_of(host.facts.guest(guest.vmid))) for guest in host.guests)
    return {vmid: born for vmid, born in births if born is not None}


def since_birth(
    backups: Mapping[int, Iterable[Backup]], births: Mapping[int, int]
) -> dict[int, list[Backup]]:
    """Return the backups without those from before their guest was made."""
    return {
        vmid: [one for one in taken if not is_before(one.taken_epoch, births.get(vmid))]
        for vmid, taken in backups.items()
    }


def doubts_of(
    host: Collected,
    servers: Iterable[Collected],
    owned: Mapping[int, Mapping[str, Attribution]],
    evidence: Estate,
    births: Mapping[int, int],
) -> dict[int, str]:
    """Return the name that the newest backup of a guest carries where it is another one and nothing else tells its age.

    What several guests have as their note is no name. `owned` is as in a Judgement.
    """
    told = [
        *in_storages(host, evidence),
        *(one for server in servers for one in on_server(host, server, owned)),
    ]
    bearers: dict[str, set[int]] = {}
    newest: dict[int, NamedBackup] = {}
    for one in told:
        bearers.setdefault(one.name, set()).add(one.vmid)
        if one.vmid not in newest or one.taken_epoch > newest[one.vmid].taken_epoch:
            newest[one.vmid] = one
    return {
        guest.vmid: newest[guest.vmid].name
        for guest in host.guests
        if guest.vmid in newest
        and guest.vmid not in births
        and len(bearers[newest[guest.vmid].name]) == 1
        and is_other_name(newest[guest.vmid].name, guest.name)
    }


def is_other_name(told: str, name: str) -> bool:
    """Return whether a note is a name, as Proxmox writes that of the guest by itself, and not this one."""
    return bool(name and NAME_PART.fullmatch(told)) and not names(told.lower(), name.lower())


def in_storages(host: Collected, evidence: Estate) -> Iterator[NamedBackup]:
    """Yield the backups in the storages of a PVE that no other PVE sees."""
    for (storage, _), volumes in host.facts.volumes.items():
        if len(evidence.sharers.get((host.name, storage), ())) > 1:
            continue
        for one in volumes:
            if one.vmid is not None and one.created_epoch is not None:
                yield NamedBackup(one.vmid, one.created_epoch, one.notes)


def on_server(
    host: Collected, server: Collected, owned: Mapping[int, Mapping[str, Attribution]]
) -> Iterator[NamedBackup]:
    """Yield the newest backup of each group on a PBS that is of this PVE."""
    attributions = owned.get(server.instance_id, {})
    for (datastore, namespace), place in server.facts.backups.items():
        for group, snapshots in place.snapshots.items():
            whose = attributions.get(f"{datastore}/{namespace}|{group}")
            if whose is None or whose.instance != host.name or whose.vmid is None or not snapshots:
                continue
            newest = max(snapshots, key=lambda one: one.taken_epoch)
            yield NamedBackup(whose.vmid, newest.taken_epoch, newest.comment)

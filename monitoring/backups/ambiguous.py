"""The backups that may be those of several guests: they count for none, and none of these guests is called without a backup; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from monitoring.backups import attribution, coverage
from monitoring.backups.attribution import GUEST_KINDS, Attribution, Estate
from monitoring.backups.collected import Collected
from monitoring.backups.coverage import Backup


class Claim(NamedTuple):
    """A backup, and a guest that it may be of."""

    instance: str
    vmid: int
    backup: Backup


def ambiguous_on(
    server: Collected, owned: Mapping[str, Attribution], evidence: Estate
) -> dict[str, dict[int, list[Backup]]]:
    """Return the backups on a PBS that may be of a guest, by the name of its instance and its vmid."""
    return by_guest(on_server(server, owned, evidence))


def ambiguous_at(host: Collected, evidence: Estate) -> dict[str, dict[int, list[Backup]]]:
    """Return the same of the storages of a PVE."""
    return by_guest(in_storages(host, evidence))


def by_guest(claims: Iterable[Claim]) -> dict[str, dict[int, list[Backup]]]:
    """Return the claimed backups by guest."""
    found: dict[str, dict[int, list[Backup]]] = {}
    for one in claims:
        found.setdefault(one.instance, {}).setdefault(one.vmid, []).append(one.backup)
    return found


def on_server(server: Collected, owned: Mapping[str, Attribution], evidence: Estate) -> Iterator[Claim]:
    """Yield the ambiguous backups on a PBS, once for each guest."""
    for (datastore, namespace), place in server.facts.backups.items():
        for group, snapshots in place.snapshots.items():
            whose = owned.get(f"{datastore}/{namespace}|{group}")
            kind, _, vmid = group.partition("/")
            if whose is None or whose.state != "ambiguous":
                continue
            for instance in claimants(whose, (GUEST_KINDS.get(kind, ""),), int(vmid), evidence):
                for snapshot in snapshots:
                    backup = coverage.of_snapshot(f"{server.name}/{datastore}", snapshot)
                    yield Claim(instance, int(vmid), backup)


def in_storages(host: Collected, evidence: Estate) -> Iterator[Claim]:
    """Yield the ambiguous backups in the storages that other PVE see too, once for each guest."""
    for (storage, _), volumes in host.facts.volumes.items():
        if len(evidence.sharers.get((host.name, storage), ())) < 2:
            continue
        for volume in volumes:
            whose = attribution.attribute_volume(host.name, storage, volume, evidence)
            backup = coverage.of_volume(storage, volume)
            if whose.state != "ambiguous" or backup is None or volume.vmid is None:
                continue
            kinds = (volume.kind,) if volume.kind else tuple(GUEST_KINDS.values())
            for instance in claimants(whose, kinds, volume.vmid, evidence):
                yield Claim(instance, volume.vmid, backup)


def claimants(whose: Attribution, kinds: Iterable[str], vmid: int, evidence: Estate) -> list[str]:
    """Return the instances that have such a guest, of those whose the backup may be."""
    having = {instance for kind in kinds for instance in evidence.guests.get((kind, vmid), {})}
    return [instance for instance in whose.candidates if instance in having]

"""What there is to be read of an instance: its objects, in an order that stays, each with the call that tells of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from monitoring.choices import PartKind
from monitoring.history import rows
from monitoring.history.metrics import Kind
from monitoring.history.rows import Rows
from monitoring.known.memory import PollMemory
from nodes.choices import GuestKind, InstanceKind
from nodes.models import Datastore, Guest, Instance, Node, Storage
from nodes.proxmox import records
from nodes.proxmox.calls import Call
from nodes.proxmox.readings.records import ExportedReading, RecordsReading

_GUESTS: Mapping[str, Call[RecordsReading]] = {
    GuestKind.QEMU: records.MACHINE,
    GuestKind.LXC: records.CONTAINER,
}


class Subject(NamedTuple):
    """An object, and the call that tells of it with what stands in its path; `name` is for people."""

    kind: Kind
    pk: int
    name: str
    call: Call[RecordsReading]
    path: tuple[str | int, ...] = ()

    @property
    def mark(self) -> str:
        """What says how far it was read: all that come before it, and itself."""
        return f"{self.kind:d}:{self.pk}"

    def is_after(self, mark: str) -> bool:
        """Return whether it comes after the object of a mark; all do after an empty one."""
        if not mark:
            return True
        kind, _, pk = mark.partition(":")
        return (int(self.kind), self.pk) > (int(kind), int(pk))


def subjects_of(instance: Instance, memory: PollMemory, at: datetime) -> list[Subject]:
    """Return all objects of an instance that there are now, by kind and row."""
    found: Iterable[Subject]
    match instance.kind:
        case InstanceKind.PVE:
            found = _of_pve(instance, memory)
        case InstanceKind.PBS:
            found = _of_pbs(instance)
        case _:
            found = _of_pmg(instance, memory, at)
    return sorted(found, key=lambda one: (one.kind, one.pk))


def _of_pve(instance: Instance, memory: PollMemory) -> Iterator[Subject]:
    for node in Node.objects.filter(instance=instance, gone_at=None):
        yield Subject(Kind.NODE, node.pk, node.name, records.NODE, (node.name,))
    for guest in Guest.objects.filter(instance=instance, gone_at=None):
        call = _GUESTS.get(guest.kind)
        if call is not None:
            yield Subject(Kind.GUEST, guest.pk, str(guest), call, (guest.node_name, guest.vmid))
    seen = _nodes_that_see(memory)
    for storage in Storage.objects.filter(instance=instance, gone_at=None):
        node_name = storage.node_name or seen.get(storage.name, "")
        if node_name:
            path = (node_name, storage.name)
            yield Subject(Kind.STORAGE, storage.pk, storage.name, records.STORAGE, path)


def _nodes_that_see(memory: PollMemory) -> dict[str, str]:
    """Return a node that has each storage; only such a one tells of it."""
    if memory.reading is None:
        return {}
    online = {node.name for node in memory.reading.nodes if node.status == "online"}
    return {
        storage.name: storage.node
        for storage in sorted(memory.reading.storages, key=lambda one: one.node, reverse=True)
        if storage.node in online and storage.status == "available"
    }


def _of_pbs(instance: Instance) -> Iterator[Subject]:
    yield Subject(Kind.INSTANCE, instance.pk, instance.name, records.SERVER)
    for store in Datastore.objects.filter(instance=instance, gone_at=None):
        yield Subject(Kind.DATASTORE, store.pk, store.name, records.DATASTORE, (store.name,))


def _of_pmg(instance: Instance, memory: PollMemory, at: datetime) -> Iterator[Subject]:
    wanted = [(PartKind.MAIL_NODE.value, instance.pk, node.name) for node in memory.mail_nodes]
    known = rows.looked_up(instance, at_epoch=at.timestamp())
    for (_, _, name), pk in rows.with_parts(instance, known, wanted, at=at).items():
        yield Subject(Kind.MAIL_NODE, pk, name, records.MAIL_NODE, (name,))


def owner_of(told: ExportedReading, instance: Instance, known: Rows) -> tuple[Kind, int] | None:
    """Return the object whose samples these are; None for what is not in the inventory, as a template is."""
    pk: int | None = None
    kind = Kind.INSTANCE
    match told.kind:
        case "node":
            kind, pk = Kind.NODE, known.nodes.get(told.name)
        case "qemu" | "lxc" if told.name.isascii() and told.name.isdigit():
            kind, pk = Kind.GUEST, known.guests.get(int(told.name[:10]))
        case "storage":
            kind = Kind.STORAGE
            pk = known.storages.get((told.name, told.node)) or known.storages.get((told.name, ""))
        case "host":
            pk = instance.pk
        case "datastore":
            kind, pk = Kind.DATASTORE, known.datastores.get(told.name)
    return None if pk is None else (kind, pk)

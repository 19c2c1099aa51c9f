"""Whose a backup is, decided by evidence and never by a guess; pure.

A backup on a PBS names a vmid and no cluster, and several clusters may store into one namespace. The rules are asked in a
fixed order, the first that decides ends it, and all that was found is kept, to be shown:

1. `namespace`: exactly one PVE has this place as a storage at all;
2. `owner`: the group belongs to the account with which exactly one PVE stores there, and the comment does not name another;
3. `vmid`: exactly one PVE that can have made it has such a guest.

No rule decides against the owner, if that is the account of another PVE, nor against owner and comment together: another
cluster, one that is not watched, may use the same place.
Source: api-facts.md 11.2; GET /storage of PVE; GET /admin/datastore/{store}/groups, `owner` and `comment`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import msgspec

from monitoring.backups.shares import Share, plain_host, plain_namespace, share_of, sharers
from nodes.proxmox.readings.backup_server import BackupGroupReading
from nodes.proxmox.readings.backups import BackupVolumeReading, StorageConfigReading

State = Literal["attributed", "ambiguous", "unknown", "foreign"]

#: Kind of a backup group to the kind of guest.
GUEST_KINDS = {"vm": "qemu", "ct": "lxc"}
#: How far the clocks of two nodes of one cluster may be apart.
SKEW_SECONDS = 300
VMID = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
#: What may be part of a guest's name: DNS labels.
NAME_PART = re.compile(r"[^\W_](?:[\w.-]*[^\W_])?")


class KnownGuest(msgspec.Struct, frozen=True, gc=False):
    """A guest of a PVE instance that is watched."""

    instance: str
    vmid: int
    kind: str  # qemu, lxc
    name: str = ""
    born_epoch: int | None = None  # None: not known


class PbsStorage(msgspec.Struct, frozen=True):
    """A storage of type pbs as a PVE instance defines it."""

    instance: str
    storage: str
    server: str  # host name or address
    datastore: str
    namespace: str = ""
    username: str = ""  # user@realm or user@realm!token
    fingerprint: str = ""  # SHA-256, hex, lower case, without colons


class BackupServer(msgspec.Struct, frozen=True):
    """A PBS instance that is watched, and under what it is known."""

    instance: str
    hosts: tuple[str, ...] = ()  # names and addresses
    fingerprint: str = ""


class Group(msgspec.Struct, frozen=True, gc=False):
    """A backup group; `server` is the name of the PBS instance, `comment` that of the group or its newest backup.

    `newest_epoch` is the instant of its newest backup, None where it is not known.
    """

    server: str
    store: str
    namespace: str
    kind: str  # vm, ct, host
    id: str
    owner: str = ""
    comment: str = ""
    newest_epoch: int | None = None


class VolumeStorage(msgspec.Struct, frozen=True):
    """A storage of PVE that keeps backups, with the share that lies behind it; None: nobody else can see it."""

    instance: str
    storage: str
    share: Share | None = None


class Attribution(msgspec.Struct, frozen=True):
    """Whose a backup is. `instance` and `vmid` are set only when it is attributed.

    `evidence` is what was found, (rule, sentence), in the order in which it was asked. `candidates` are the instances it
    may belong to. `guest_is_known` is false when the guest is gone: the backup outlived it. Backups from before `born_epoch`
    are of an earlier guest with the number of the one that exists.
    """

    state: State
    instance: str = ""
    vmid: int | None = None
    evidence: tuple[tuple[str, str], ...] = ()
    candidates: tuple[str, ...] = ()
    guest_is_known: bool = False
    born_epoch: int | None = None


class Definition(msgspec.Struct):
    """All storages with which one PVE instance reaches one place."""

    storages: list[str] = []
    usernames: set[str] = set()


#: Server, datastore, namespace.
ServerNamespace = tuple[str, str, str]


class Estate(msgspec.Struct, frozen=True):
    """Everything that speaks for or against an owner, indexed; made by `estate()`."""

    #: place to instance to its storages there
    definitions: dict[ServerNamespace, dict[str, Definition]] = {}
    #: (kind, vmid) to instance to the guest's name
    guests: dict[tuple[str, int], dict[str, str]] = {}
    #: (instance, vmid) to when that guest was made, where it is known
    births: dict[tuple[str, int], int] = {}
    #: (instance, storage) to the instances that see the same backups
    sharers: dict[tuple[str, str], tuple[str, ...]] = {}
    #: the instances whose guests could not be looked at: that only one of the others has a guest says nothing
    unseen: tuple[str, ...] = ()


def estate(
    guests: Iterable[KnownGuest],
    storages: Iterable[PbsStorage] = (),
    servers: Iterable[BackupServer] = (),
    volumes: Iterable[VolumeStorage] = (),
    unseen: Iterable[str] = (),
) -> Estate:
    """Return the index over everything that is known. One pass over each."""
    known: dict[tuple[str, int], dict[str, str]] = {}
    births: dict[tuple[str, int], int] = {}
    for guest in guests:
        known.setdefault((guest.kind, guest.vmid), {})[guest.instance] = guest.name
        if guest.born_epoch is not None:
            births[guest.instance, guest.vmid] = guest.born_epoch
    shared = sharers((one.instance, one.storage, one.share) for one in volumes)
    definitions = _definitions(storages, tuple(servers))
    return Estate(definitions, known, births, shared, tuple(sorted(unseen)))


def _definitions(
    storages: Iterable[PbsStorage], servers: Collection[BackupServer]
) -> dict[ServerNamespace, dict[str, Definition]]:
    by_fingerprint = {server.fingerprint: server for server in servers if server.fingerprint}
    by_host: dict[str, list[BackupServer]] = {}
    for server in servers:
        for host in {plain_host(host) for host in server.hosts}:
            by_host.setdefault(host, []).append(server)
    found: dict[ServerNamespace, dict[str, Definition]] = {}
    for storage in storages:
        server_met = _server_of(storage, by_fingerprint, by_host)
        if server_met is None:
            continue
        place = (server_met.instance, storage.datastore, plain_namespace(storage.namespace))
        definition = found.setdefault(place, {}).setdefault(storage.instance, Definition([], set()))
        definition.storages.append(storage.storage)
        if storage.username:
            definition.usernames.add(storage.username)
    return found


def _server_of(
    storage: PbsStorage,
    by_fingerprint: Mapping[str, BackupServer],
    by_host: Mapping[str, list[BackupServer]],
) -> BackupServer | None:
    """Return the server a storage means: by its certificate, else by its host if only one server has that.

    A private address may exist at two sites: with another certificate it is another server.
    """
    if storage.fingerprint and (exact := by_fingerprint.get(storage.fingerprint)):
        return exact
    fitting = [
        server
        for server in by_host.get(plain_host(storage.server), ())
        if not (server.fingerprint and storage.fingerprint)
    ]
    return fitting[0] if len(fitting) == 1 else None


def pbs_storage(instance: str, config: StorageConfigReading) -> PbsStorage | None:
    """Return a storage of type pbs as evidence, None for any other; one that is disabled still names its owner."""
    if config.plugin != "pbs":
        return None
    return PbsStorage(
        instance=instance,
        storage=config.name,
        server=config.server,
        datastore=config.datastore,
        namespace=config.namespace,
        username=config.username,
        fingerprint=config.fingerprint,
    )


def volume_storage(instance: str, config: StorageConfigReading) -> VolumeStorage:
    """Return a storage for backups, with what tells whether another cluster sees the same ones."""
    return VolumeStorage(instance, config.name, share_of(config))


def group(
    server: str, store: str, namespace: str, reading: BackupGroupReading, *, comment: str = ""
) -> Group:
    """Return a group that was read; `comment` is that of its newest backup, for when the group has none."""
    return Group(
        server,
        store,
        namespace,
        reading.kind,
        reading.id,
        reading.owner,
        reading.comment or comment,
        reading.last_backup_epoch,
    )


def attribute(one: Group, known: Estate) -> Attribution:
    """Return whose a backup group is."""
    if one.kind == "host":
        return Attribution("foreign", evidence=(("kind", "a backup of a host, not of a guest"),))
    kind = GUEST_KINDS.get(one.kind)
    if kind is None or not VMID.fullmatch(one.id):
        return Attribution("unknown", evidence=(("kind", f"{one.kind}/{one.id} is not the id of a guest"),))
    vmid = int(one.id)
    definitions = known.definitions.get((one.server, one.store, plain_namespace(one.namespace)), {})
    having = known.guests.get((kind, vmid), {})
    if definitions:
        having = {instance: name for instance, name in having.items() if instance in definitions}
    guests = _old_enough(having, vmid, one.newest_epoch, known)
    instance, evidence = _decide(one, definitions, guests, known.unseen)
    evidence += [
        ("age", f"guest {vmid} of {young} was made after the newest of them")
        for young in sorted(having.keys() - guests.keys())
    ]
    if doubt := _doubt(one, definitions, guests.get(instance), instance):
        evidence.append(("contradiction", doubt))
        instance = ""
    candidates = tuple(sorted(definitions)) if definitions else tuple(sorted(guests))
    if instance:
        return Attribution(
            "attributed",
            instance,
            vmid,
            tuple(evidence),
            (instance,),
            guest_is_known=instance in guests,
            born_epoch=known.births.get((instance, vmid)) if instance in having else None,
        )
    if not candidates:
        evidence.append(("vmid", f"no PVE stores there, and none has a guest {one.id} of this kind"))
        return Attribution("unknown", evidence=tuple(evidence))
    return Attribution("ambiguous", evidence=tuple(evidence), candidates=candidates)


def is_before(epoch: float, born_epoch: int | None) -> bool:
    """Return whether something happened before its guest was made, and so to another guest with its number."""
    return born_epoch is not None and epoch < born_epoch - SKEW_SECONDS


def _old_enough(
    guests: Mapping[str, str], vmid: int, taken_epoch: int | None, known: Estate
) -> Mapping[str, str]:
    """Return the guests that existed when a backup was taken, as far as that is known."""
    if taken_epoch is None or not any((instance, vmid) in known.births for instance in guests):
        return guests
    return {
        instance: name
        for instance, name in guests.items()
        if not is_before(taken_epoch, known.births.get((instance, vmid)))
    }


def _decide(
    one: Group, definitions: Mapping[str, Definition], guests: Mapping[str, str], unseen: Collection[str]
) -> tuple[str, list[tuple[str, str]]]:
    """Return the instance of the first rule that decides, "" for none, and what all rules up to it found."""
    evidence: list[tuple[str, str]] = []
    if definitions:
        if len(definitions) == 1:
            ((instance, definition),) = definitions.items()
            evidence.append(
                ("namespace", f"only {instance} stores there, as {_and(sorted(definition.storages))}")
            )
            return instance, evidence
        evidence.append(("namespace", f"{_and(definitions)} store there"))
        owning = [
            instance
            for instance, definition in definitions.items()
            if owns(one.owner, definition.usernames) is True
        ]
        named = [instance for instance, name in guests.items() if names(one.comment, name)]
        if owning:
            evidence.append(("owner", f"{one.owner} is the account of {_and(owning)}"))
        if named:
            evidence.append(("owner", f"the comment names the guest of {_and(named)}"))
        if len(owning) == 1 and _is_named_or_nameless(one, owning[0], guests, named):
            return owning[0], evidence
    if len(guests) == 1 and unseen:
        evidence.append(("vmid", f"whether {_and(unseen)} has such a guest too is not known"))
    elif len(guests) == 1:
        (instance,) = guests
        evidence.append(("vmid", f"only {instance} has a guest {one.id} of this kind"))
        return instance, evidence
    if len(guests) > 1:
        evidence.append(("vmid", f"{_and(guests)} have a guest {one.id} of this kind"))
    return "", evidence


def _is_named_or_nameless(
    one: Group, instance: str, guests: Mapping[str, str], named: Collection[str]
) -> bool:
    """Return whether the comment speaks for the instance of the owner, or for none."""
    return instance in named or not one.comment or (instance not in guests and not named)


def _doubt(one: Group, definitions: Mapping[str, Definition], name: str | None, instance: str) -> str:
    """Return why a decision cannot stand, "" when nothing speaks against it.

    An owner that nobody stores with is no objection alone: a sync job changes it. Nor is a comment: guests are renamed.
    """
    is_other_name = bool(one.comment and name) and not names(one.comment, name or "")
    definition = definitions.get(instance)
    if definition is None:
        return f"the comment does not name the guest of {instance}" if is_other_name else ""
    if owns(one.owner, definition.usernames) is not False:
        return ""
    others = [other for other, theirs in definitions.items() if owns(one.owner, theirs.usernames)]
    if others:
        return f"{one.owner} is not the account of {instance} but of {_and(others)}"
    if name is None:
        return f"{instance} has no such guest and stores with another account than {one.owner}"
    if is_other_name:
        return f"neither the owner {one.owner} nor the comment fits {instance}"
    return ""


def owns(owner: str, usernames: Collection[str]) -> bool | None:
    """Return whether one of these accounts is the owner, None when either is not told.

    A user may work on the groups of its tokens, as PBS allows.
    """
    if not owner or not usernames:
        return None
    return owner in usernames or owner.partition("!")[0] in usernames


def names(comment: str, name: str) -> bool:
    """Return whether a comment such as "web" or "pve1: web (100)" holds the name as a word of its own."""
    return name in NAME_PART.findall(comment)


def _and(instances: Iterable[str]) -> str:
    return " and ".join(sorted(instances))


def attribute_volume(instance: str, storage: str, volume: BackupVolumeReading, known: Estate) -> Attribution:
    """Return whose a backup in a storage of PVE is: of the instance that shows it, unless others see the same storage."""
    if volume.vmid is None:
        return Attribution("unknown", evidence=(("vmid", "the backup names no guest"),))
    sharers = known.sharers.get((instance, storage), (instance,))
    kinds = (volume.kind,) if volume.kind else ("qemu", "lxc")
    guests: Mapping[str, str] = {
        one: name
        for kind in kinds
        for one, name in known.guests.get((kind, volume.vmid), {}).items()
        if one in sharers
    }
    guests = _old_enough(guests, volume.vmid, volume.created_epoch, known)
    if len(sharers) == 1:
        return _settled(instance, volume.vmid, "storage", f"only {instance} uses {storage}", guests)
    evidence = (("storage", f"{_and(sharers)} see the same storage"),)
    if len(guests) == 1:
        (only,) = guests
        return _settled(only, volume.vmid, "vmid", f"only {only} has a guest {volume.vmid}", guests, evidence)
    named = [one for one, name in guests.items() if names(volume.notes, name)]
    if len(named) == 1:
        sentence = f"the notes name the guest of {named[0]}"
        return _settled(named[0], volume.vmid, "name", sentence, guests, evidence)
    return Attribution("ambiguous", evidence=evidence, candidates=tuple(sorted(guests or sharers)))


def _settled(
    instance: str,
    vmid: int,
    rule: str,
    sentence: str,
    guests: Mapping[str, str],
    before: tuple[tuple[str, str], ...] = (),
) -> Attribution:
    evidence = (*before, (rule, sentence))
    return Attribution("attributed", instance, vmid, evidence, (instance,), guest_is_known=instance in guests)

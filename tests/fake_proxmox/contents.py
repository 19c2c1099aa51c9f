"""What lies in the datastores of a backup server: namespaces, groups and snapshots, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tests.fake_proxmox import curves
from tests.fake_proxmox.curves import DAY_SECONDS
from tests.fake_proxmox.model import GIB, BackupServer, Datastore

#: When the night's verification has seen everything of the day before.
VERIFIED_SECOND = 16_200
KEY_FINGERPRINT = (
    "64:d3:ff:3a:50:38:53:5a:9b:f7:50:89:47:65:6c:81:3a:4c:88:a7:05:1f:1d:22:93:0b:7e:c4:6d:55:18:fe"
)
GroupKey = tuple[str, str]  # type, id


@dataclass
class Group:
    """A backup group that no guest of the estate stands behind."""

    kind: str  # vm, ct, host
    id: str
    owner: str
    comment: str
    seed: int
    size: int
    count: int  # snapshots that are kept
    second: int  # of the day, when it is backed up
    is_encrypted: bool = False
    ended_at: float | None = None  # since when nothing more comes


@dataclass(frozen=True)
class Snapshot:
    """One group at one time."""

    kind: str
    id: str
    at: int
    size: int
    owner: str
    comment: str = ""
    is_finished: bool = True
    is_protected: bool = False
    verification: str = ""  # ok, failed; empty: never verified
    fingerprint: str = ""  # of the key; empty: not encrypted
    seconds: int = 60

    @property
    def key(self) -> GroupKey:
        """Type and id of its group."""
        return self.kind, self.id


#: Gives the snapshots that other instances of the estate have put into a namespace.
Sources = Callable[[Datastore, str, float], Iterable[Snapshot]]


class Contents:
    """The contents of a backup server as they stand at an instant."""

    def __init__(self, server: BackupServer, sources: Sources, namespaces: Callable[[str], set[str]]) -> None:
        self._server = server
        self._sources = sources
        self._linked = namespaces
        self._key: tuple[object, ...] = ()
        self._snapshots: dict[tuple[str, str], list[Snapshot]] = {}

    def namespaces(self, store: Datastore) -> list[str]:
        """Return all namespaces of a datastore, the root first."""
        known = {*store.namespaces, *self._linked(store.name), ""}
        for name in list(known):
            parts = name.split("/")
            known |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        return sorted(known)

    def snapshots(self, store: Datastore, namespace: str, now: float, revision: object) -> list[Snapshot]:
        """Return the snapshots of one namespace; `revision` tells two states of the estate apart."""
        key = (self._server.revision, int(now / 30), revision)
        if key != self._key:
            self._snapshots, self._key = {}, key
        if (store.name, namespace) not in self._snapshots:
            self._snapshots[(store.name, namespace)] = self._made(store, namespace, now)
        return self._snapshots[(store.name, namespace)]

    def _made(self, store: Datastore, namespace: str, now: float) -> list[Snapshot]:
        drawn = [
            snapshot
            for group in list(store.namespaces.get(namespace, {}).values())
            for snapshot in _snapshots_of(group, now)
        ]
        added = [each for place, each in list(store.added) if place == namespace and each.at <= now]
        found = [*self._sources(store, namespace, now), *drawn]
        spoiled = self._spoiled(store, namespace, found)
        made = []
        for snapshot in [*found, *added]:
            place = (namespace, *snapshot.key, snapshot.at)
            if place in store.removed:
                continue
            changes = dict(store.changed.get(place, {}))
            if not snapshot.verification and snapshot.is_finished and snapshot.at < _verified_until(now):
                changes.setdefault("verification", "failed" if place in spoiled else "ok")
            made.append(replace(snapshot, **changes) if changes else snapshot)
        return made

    def _spoiled(
        self, store: Datastore, namespace: str, snapshots: list[Snapshot]
    ) -> set[tuple[str, str, str, int]]:
        """Return the snapshots whose chunks are bad: in as many groups of one namespace as the specification says."""
        if not store.verification_failures or namespace != min(self._linked(store.name) or {""}):
            return set()
        on_that_day = sorted(
            (snapshot.key, snapshot.at) for snapshot in snapshots if snapshot.at // 86_400 == store.failed_day
        )
        return {(namespace, *key, at) for key, at in on_that_day[: store.verification_failures]}


def _verified_until(now: float) -> float:
    today = now // DAY_SECONDS * DAY_SECONDS
    return today if now >= today + VERIFIED_SECOND else today - DAY_SECONDS


def _snapshots_of(group: Group, now: float) -> Iterable[Snapshot]:
    end = now if group.ended_at is None else min(now, group.ended_at)
    newest = int(end // DAY_SECONDS)
    if newest * DAY_SECONDS + group.second > end:
        newest -= 1
    for day in range(newest, newest - group.count, -1):
        at = int(day * DAY_SECONDS) + group.second
        yield Snapshot(
            group.kind,
            group.id,
            at,
            int(group.size * (1 + 0.01 * curves.noise(group.seed, day))),
            group.owner,
            group.comment,
            fingerprint=KEY_FINGERPRINT if group.is_encrypted else "",
            seconds=20 + group.size // (3 * GIB),
        )

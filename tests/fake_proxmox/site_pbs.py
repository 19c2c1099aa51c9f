"""A backup server as a person configures it, and what the PVE sites of its estate put into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox import pbs_hardware
from tests.fake_proxmox.backups import Archive
from tests.fake_proxmox.building import PbsSpec, build_backup_server
from tests.fake_proxmox.contents import Contents, Snapshot
from tests.fake_proxmox.hardware import change_disk
from tests.fake_proxmox.model import BackupServer, Datastore, Storage
from tests.fake_proxmox.pbs_model import PbsTask
from tests.fake_proxmox.server import FakeServer
from tests.fake_proxmox.sites import FakeSite, PveSite
from tests.fake_proxmox.verbs_pbs import ContentVerbs

if TYPE_CHECKING:
    from tests.fake_proxmox.estate import FakeEstate


class PbsSite(ContentVerbs, FakeSite):
    """A backup server."""

    model: BackupServer

    def __init__(self, estate: FakeEstate, spec: PbsSpec, seed: int) -> None:
        model = build_backup_server(spec, seed=seed, at=estate.clock.now())
        super().__init__(estate, model, seed)
        self.contents = Contents(model, self._received, self._linked)
        self.task_cache: tuple[object, list[PbsTask]] = (None, [])
        self.servers.append(FakeServer(self, model.name, "127.0.0.1", 0))

    def version_of(self, node: str) -> tuple[int, int]:
        """Return major and minor of the release."""
        del node
        return self.model.version

    @property
    def content_revision(self) -> tuple[int, ...]:
        """What tells two states of the estate apart, as far as backups are concerned."""
        return tuple(site.model.revision for site in [self, *self._clients()])

    def snapshots(self, store: Datastore, namespace: str, now: float) -> list[Snapshot]:
        """Return the snapshots of a namespace, those of the guests of the estate included."""
        return self.contents.snapshots(store, namespace, now, self.content_revision)

    def archives_for(self, site: PveSite, storage: Storage, now: float, vmid: int) -> list[Archive]:
        """Return what a storage of a PVE site finds here: everything in its namespace, whoever put it there."""
        options = storage.options
        store = self.model.datastores.get(str(options["datastore"]))
        if store is None:
            return []
        found = self.snapshots(store, str(options.get("namespace", "")), now)
        kinds = {"vm": "qemu", "ct": "lxc"}
        return [
            Archive(
                int(each.id),
                kinds[each.kind],
                storage.name,
                each.at,
                each.size,
                "",
                each.seconds,
                each.comment,
                each.is_protected,
                each.is_finished,
                each.verification,
                each.fingerprint,
            )
            for each in found
            if each.kind in kinds and each.id.isdigit() and vmid in (0, int(each.id))
        ]

    def _clients(self) -> list[PveSite]:
        return [site for site in self.estate.sites if isinstance(site, PveSite)]

    def _storages(self, datastore: str) -> Iterator[tuple[PveSite, Storage]]:
        for site in self._clients():
            for storage in list(site.model.storages.values()):
                options = storage.options
                if storage.plugin == "pbs" and (options.get("server"), options.get("datastore")) == (
                    self.name,
                    datastore,
                ):
                    yield site, storage

    def _linked(self, datastore: str) -> set[str]:
        """Return the namespaces that storages of PVE sites use."""
        return {str(storage.options.get("namespace", "")) for _, storage in self._storages(datastore)}

    def _received(self, store: Datastore, namespace: str, now: float) -> Iterator[Snapshot]:
        """Yield what the PVE sites of the estate have put into a namespace."""
        for site, storage in self._storages(store.name):
            if storage.options.get("namespace", "") != namespace:
                continue
            for each in site.backups.archives(storage.name, now):
                yield Snapshot(
                    "vm" if each.kind == "qemu" else "ct",
                    str(each.vmid),
                    each.at,
                    each.size,
                    str(storage.options.get("username", "root@pam")),
                    each.notes,
                    each.is_finished,
                    each.is_protected,
                    each.verification,
                    each.fingerprint,
                    each.seconds,
                )

    def set_datastore(self, name: str, **changes: Any) -> None:
        """Change facts of a datastore (maintenance, error, mount_status, total_bytes, ...) or fix its wire fields."""
        with self.changing():
            store = self.model.datastores[name]
            facts = {field.name for field in fields(Datastore)}
            for key, value in changes.items():
                if key in facts:
                    setattr(store, key, value)
                else:
                    store.fixed[key] = value

    def add_datastore(self, name: str, total_bytes: int, used_ratio: float) -> None:
        """A new datastore is there."""
        with self.changing():
            self.model.datastores[name] = Datastore(
                name, total_bytes, used_ratio, 0.0005, len(name), created_at=self.clock.now()
            )

    def remove_datastore(self, name: str) -> None:
        """The datastore is gone."""
        with self.changing():
            del self.model.datastores[name]

    def set_disk(self, node: str, path: str, **facts: Any) -> None:
        """Change a disk of the host: health, wearout (percent left, or "N/A"), celsius, kind, serial, ..."""
        del node
        with self.changing():
            change_disk(pbs_hardware.disks(self.model), path, facts)

    def set_pool_health(self, node: str, pool: str, health: str) -> None:
        """A ZFS pool of the host is ONLINE, DEGRADED, FAULTED, ..."""
        del node
        with self.changing():
            self.model.pool_health[pool] = health

    def set_node_metric(self, node: str, **fields: Any) -> None:
        """Fix fields of the node status, in wire names."""
        del node
        with self.changing():
            self.model.fixed.update(fields)

"""Which storages of two clusters are one place: by server and what of it is used, never by a name that each side chooses; pure.

PVE makes the mount path of a share from the id of its storage, and two clusters may call any two shares `nas`.
Source: api-facts.md 4.1 (GET /storage); the storage plugins of PVE, which know a mount again by server and export.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping

import msgspec

from nodes.proxmox.readings.backups import StorageConfigReading

#: Where backups lie below a share, unless the storage says another directory (`content-dirs`).
BACKUP_DIRECTORY = "dump"
#: The file system of a Ceph cluster that a storage means without naming one.
CEPH_FILESYSTEM = "cephfs"


class Share(msgspec.Struct, frozen=True):
    """What is behind a storage on the network: how it is reached, what of it is used, and which servers tell of it.

    A volume of several servers (GlusterFS, the monitors of Ceph) is known by any of them. `certificate` is that of the server
    where one is pinned: equal private addresses exist at two sites.
    """

    plugin: str
    what: tuple[str, ...]
    servers: frozenset[str]
    certificate: str = ""

    def is_same(self, other: Share) -> bool:
        """Return whether two storages show the same files, as far as can be told."""
        is_other_server = (
            bool(self.certificate and other.certificate) and self.certificate != other.certificate
        )
        return (
            (self.plugin, self.what) == (other.plugin, other.what)
            and not self.servers.isdisjoint(other.servers)
            and not is_other_server
        )


def share_of(config: StorageConfigReading) -> Share | None:
    """Return the share behind a storage for files or backups, None for one that no other cluster can see.

    Ceph without monitors is that of the cluster itself.
    """
    what = WHAT.get(config.plugin)
    servers = frozenset(
        plain_host(one) for one in (config.server, config.second_server, *config.monitors) if one.strip()
    )
    if what is None or not servers:
        return None
    return Share(config.plugin, what(config), servers, config.fingerprint)


def directory_of(config: StorageConfigReading) -> str:
    """Return where below the share a storage keeps its backups."""
    below = (plain_path(config.subdirectory), plain_path(config.backup_directory) or BACKUP_DIRECTORY)
    return "/".join(part for part in below if part)


def plain_path(text: str) -> str:
    """Return a path without empty parts and outer slashes."""
    return "/".join(part for part in text.split("/") if part not in ("", "."))


def plain_host(text: str) -> str:
    """Return a host name or address in one spelling."""
    host = text.strip().lower().strip("[]").rstrip(".")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def plain_namespace(text: str) -> str:
    """Return a namespace without outer slashes; the root is ""."""
    return text.strip("/")


#: What tells two places on one server apart, by the kind of storage. Only these keep backups on the network.
WHAT: Mapping[str, Callable[[StorageConfigReading], tuple[str, ...]]] = {
    "pbs": lambda one: (one.datastore, plain_namespace(one.namespace)),
    "nfs": lambda one: (plain_path(one.export), directory_of(one)),
    # Windows and Samba do not tell upper from lower case in the name of a share.
    "cifs": lambda one: (one.share.strip("/\\").lower(), directory_of(one)),
    "cephfs": lambda one: (one.filesystem or CEPH_FILESYSTEM, directory_of(one)),
    "glusterfs": lambda one: (plain_path(one.gluster_volume), directory_of(one)),
}


def sharers(shares: Iterable[tuple[str, str, Share | None]]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return by (instance, storage) which instances see the same files; of one without a share only its own."""
    told = list(shares)
    alike: dict[tuple[str, tuple[str, ...]], list[tuple[str, Share]]] = {}
    for instance, _, share in told:
        if share is not None:
            alike.setdefault((share.plugin, share.what), []).append((instance, share))
    return {
        (instance, storage): (instance,)
        if share is None
        else tuple(
            sorted({owner for owner, other in alike[share.plugin, share.what] if share.is_same(other)})
        )
        for instance, storage, share in told
    }

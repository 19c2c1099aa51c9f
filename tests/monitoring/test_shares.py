"""Which storages of two hosts are one place: by server and export, never by what each side calls it."""

from __future__ import annotations

import pytest

from monitoring.backups.shares import share_of, sharers
from nodes.proxmox.backups import read_storage_definitions

NFS = {"type": "nfs", "server": "192.0.2.70", "export": "/volume1/backup", "path": "/mnt/pve/nas"}
CIFS = {"type": "cifs", "server": "files.lab", "share": "Backup", "path": "/mnt/pve/nas"}
CEPHFS = {"type": "cephfs", "monhost": "10.0.0.1 10.0.0.2 10.0.0.3", "path": "/mnt/pve/nas"}
GLUSTER = {"type": "glusterfs", "server": "g1.lab", "volume": "backup", "path": "/mnt/pve/nas"}
VAULT = {"type": "pbs", "server": "vault.lab", "datastore": "main", "namespace": "a"}
PINNED = VAULT | {"fingerprint": "aa:" * 31 + "aa"}

#: How two hosts define a storage, and whether they see the same files.
PAIRS = {
    "one export": (NFS, NFS, True),
    "one export, another mount path": (NFS, NFS | {"path": "/mnt/other"}, True),
    "one export, spelled otherwise": (NFS, NFS | {"export": "/volume1//backup/"}, True),
    "two exports under one path": (NFS, NFS | {"export": "/volume1/other"}, False),
    "an export below the other": (NFS, NFS | {"export": "/volume1"}, False),
    "two servers": (NFS, NFS | {"server": "192.0.2.71"}, False),
    "one server, its name spelled otherwise": (NFS | {"server": "NAS.lab."}, NFS | {"server": "nas.lab"}, True),
    "one export, another directory for backups": (NFS, NFS | {"content-dirs": "backup=other,iso=i"}, False),
    "one export, the usual directory for backups": (NFS, NFS | {"content-dirs": "backup=dump"}, True),
    "one share": (CIFS, CIFS, True),
    "one share, in another case": (CIFS, CIFS | {"share": "BACKUP"}, True),
    "two shares": (CIFS, CIFS | {"share": "Backup2"}, False),
    "one share, mounted below": (CIFS, CIFS | {"subdir": "/host-b"}, False),
    "an export and a share": (NFS, {**CIFS, "server": "192.0.2.70", "share": "volume1/backup"}, False),
    "one Ceph by different monitors": (CEPHFS, CEPHFS | {"monhost": "10.0.0.3:6789;[2001:db8::1]:6789"}, True),
    "two Ceph": (CEPHFS, CEPHFS | {"monhost": "10.0.1.1"}, False),
    "two file systems of one Ceph": (CEPHFS, CEPHFS | {"fs-name": "second"}, False),
    "one file system, named by one alone": (CEPHFS, CEPHFS | {"fs-name": "cephfs"}, True),
    "one Ceph, mounted below": (CEPHFS | {"subdir": "/a"}, CEPHFS | {"subdir": "/b"}, False),
    "each its own Ceph": ({"type": "cephfs"}, {"type": "cephfs"}, False),
    "one volume by its second server": (GLUSTER, GLUSTER | {"server": "g2.lab", "server2": "g1.lab"}, True),
    "two volumes": (GLUSTER, GLUSTER | {"volume": "other"}, False),
    "one namespace": (VAULT, VAULT | {"namespace": "/a/"}, True),
    "two namespaces": (VAULT, VAULT | {"namespace": "b"}, False),
    "two datastores": (VAULT, VAULT | {"datastore": "other"}, False),
    "two servers at one private address": (PINNED, VAULT | {"fingerprint": "bb" * 32}, False),
    "one server that one side does not pin": (PINNED, VAULT, True),
    "two directories": ({"type": "dir", "path": "/srv"}, {"type": "dir", "path": "/srv"}, False),
}  # fmt: skip


def read(instance, row):
    (config,) = read_storage_definitions([{"storage": "nas", "content": "backup", "shared": 1} | row])
    return instance, config.name, share_of(config)


@pytest.mark.parametrize(("one", "other", "is_same"), PAIRS.values(), ids=PAIRS)
def test_two_hosts_share_a_storage_when_server_and_export_are_the_same(one, other, is_same):
    found = sharers([read("hosta", one), read("hostb", other)])

    both = ("hosta", "hostb")
    assert found == (
        {("hosta", "nas"): both, ("hostb", "nas"): both}
        if is_same
        else {("hosta", "nas"): ("hosta",), ("hostb", "nas"): ("hostb",)}
    )


def test_of_three_hosts_each_shares_with_those_whose_servers_it_has_in_common():
    told = [
        read("a", CEPHFS | {"monhost": "10.0.0.1,10.0.0.2"}),
        read("b", CEPHFS | {"monhost": "10.0.0.2,10.0.0.3"}),
        read("c", CEPHFS | {"monhost": "10.0.0.9"}),
    ]

    assert sharers(told) == {("a", "nas"): ("a", "b"), ("b", "nas"): ("a", "b"), ("c", "nas"): ("c",)}

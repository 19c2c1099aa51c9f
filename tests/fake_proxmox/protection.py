"""The storages of a new cluster, and the jobs that put backups into them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.fake_proxmox.backups import BackupJob
from tests.fake_proxmox.curves import DAY_SECONDS
from tests.fake_proxmox.model import GIB, Cluster, Storage

if TYPE_CHECKING:
    from tests.fake_proxmox.building import PveSpec

VAULT = "pbs-vault"
_KEEP = "keep-daily=7,keep-weekly=4,keep-monthly=6"


def build_storages(random: Random, spec: PveSpec, cluster: Cluster) -> list[Storage]:
    """Return the storages of a new cluster."""

    def drawn(name: str, plugin: str, content: str, total_gib: int, **facts: object) -> Storage:
        is_shared = plugin in ("nfs", "rbd", "pbs")
        return Storage(
            name, plugin, content, total_gib * GIB, random.uniform(0.25, 0.8), is_shared, options=facts
        )

    vault = {
        "server": spec.backup_server or "backup.home.lan",
        "datastore": spec.backup_datastore,
        "username": f"{spec.name}@pbs!pve",
        "prune-backups": "keep-all=1",
        **({"namespace": spec.backup_namespace} if spec.backup_namespace else {}),
    }
    storages = [drawn("local", "dir", "iso,vztmpl,backup", 94, path="/var/lib/vz")]
    if not cluster.is_cluster:
        storages += [
            drawn("local-zfs", "zfspool", "images,rootdir", 1_800, pool="rpool/data", sparse=1),
            drawn(
                "nas-backup",
                "nfs",
                "backup,iso",
                10_900,
                server="10.20.0.9",
                export="/mnt/tank/pve",
                path="/mnt/pve/nas-backup",
                **{"prune-backups": _KEEP},
            ),
        ]
        if spec.backup_server:
            storages.append(drawn(VAULT, "pbs", "backup", 8_000, **vault))
    else:
        per_node = max(1_800, 40 * spec.guests // spec.nodes)
        storages += [
            drawn("local-lvm", "lvmthin", "rootdir,images", 800, vgname="pve", thinpool="data"),
            drawn("ceph-vm", "rbd", "images,rootdir", per_node * spec.nodes, pool="vm", krbd=0),
            drawn(
                "nfs-iso",
                "nfs",
                "iso,vztmpl,snippets",
                2_000,
                server="10.20.0.9",
                export="/mnt/tank/iso",
                path="/mnt/pve/nfs-iso",
            ),
            drawn(VAULT, "pbs", "backup", 8_000, **vault),
        ]
    for number in range(1, spec.backup_storages + 1):
        name = f"backup-{number:02d}"
        storages.append(
            drawn(
                name,
                "nfs",
                "backup",
                4_000,
                server="10.20.0.9",
                export=f"/mnt/tank/{name}",
                path=f"/mnt/pve/{name}",
            )
        )
    return storages


def schedule_backups(cluster: Cluster, spec: PveSpec, midnight: float) -> None:
    """Give a new cluster its backup jobs; they have run for a long time."""
    cluster.backups_per_guest = spec.backups_per_guest
    guests = list(cluster.guests.values())
    everything = BackupJob("backup-7a31c9e0-nightly", VAULT, "02:30", comment="everything, every night")
    jobs = [everything]
    if not cluster.is_cluster:
        everything.storage = "nas-backup"
        everything.prune = _KEEP
        if spec.backup_server:
            jobs.append(BackupJob("backup-2f0d84b6-vault", VAULT, "22:15", comment="to the vault"))
    else:
        jobs.append(
            BackupJob(
                "backup-51cc07de-databases", "local", "13:05", pool="databases", comment="before lunch ends"
            )
        )
    jobs.append(BackupJob("backup-e4f1aa02-old", "local", "sat 05:00", is_enabled=False, mode="stop"))
    for number in range(1, spec.backup_storages + 1):
        share = tuple(guest.vmid for guest in guests if guest.vmid % spec.backup_storages == number - 1)
        jobs.append(BackupJob(f"backup-{number:08d}-share", f"backup-{number:02d}", "20:00", vmids=share))
    cluster.jobs = {job.id: job for job in jobs}
    if spec.backup_troubles:
        _make_trouble(cluster, everything, midnight)


def _make_trouble(cluster: Cluster, job: BackupJob, midnight: float) -> None:
    """Let some guests never be backed up, one fail for two days, one warn; and one run of the last week be missing."""
    living = [guest for guest in cluster.guests.values() if cluster.nodes[guest.node].died_at is None]
    for guest in living[-2:]:
        guest.is_backed_up = False
    machines = [guest for guest in living if guest.kind == "qemu" and guest.started_at is not None]
    reason = "unable to open file '/etc/pve/nodes/qemu-server/.tmp' - got timeout"
    job.failing[machines[3 % len(machines)].vmid] = (reason, midnight - 2 * DAY_SECONDS)
    job.warning[machines[5 % len(machines)].vmid] = midnight - 10 * DAY_SECONDS
    job.missed_days.add(int(midnight // DAY_SECONDS) - 4)

"""The groups and jobs of a new backup server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fake_proxmox.contents import Group
from tests.fake_proxmox.curves import noise
from tests.fake_proxmox.model import GIB, BackupServer, Datastore
from tests.fake_proxmox.pbs_model import PbsJob
from tests.fake_proxmox.roles import HOSTILE_TEXTS, OFFICE

if TYPE_CHECKING:
    from tests.fake_proxmox.building import PbsSpec

_HOSTS = ("laptop-anna", "laptop-ben", "nas", "vps-01", "vps-02", "workshop")


def fill(server: BackupServer, spec: PbsSpec, midnight: float) -> None:
    """Give a new backup server namespaces, groups and jobs, as its specification says."""
    stores = list(server.datastores.values())
    for number, store in enumerate(stores):
        store.failed_day = int(midnight // 86_400) - 2
        store.namespaces[""] = {}
        for index in range(number, spec.namespaces, len(stores)):
            store.namespaces[f"tenant-{index + 1:02d}"] = {}
    if stores:
        stores[0].verification_failures = spec.verification_failures
    places = [(store, name) for store in stores for name in store.namespaces]
    for index in range(spec.groups if places else 0):
        store, name = places[index % len(places)]
        group = _group(store, index, spec)
        store.namespaces[name][(group.kind, group.id)] = group
    for job in _jobs(server, stores, spec):
        server.jobs[(job.kind, job.id)] = job


def _group(store: Datastore, index: int, spec: PbsSpec) -> Group:
    seed = store.seed + index
    turn = abs(noise(seed, 11))
    if index % 3 == 0:
        number = index // 3
        name = _HOSTS[number % len(_HOSTS)] + (f"-{number // len(_HOSTS)}" if number >= len(_HOSTS) else "")
        kind, comment = "host", ""
    else:
        role = OFFICE[int(turn * 0.999 * len(OFFICE))]
        kind, name, comment = ("vm" if role.kind == "qemu" else "ct"), str(900 + index), role.name
    if spec.hostile:
        comment = HOSTILE_TEXTS[index % len(HOSTILE_TEXTS)]
    return Group(
        kind,
        name,
        ("root@pam", "backup@pbs", "backup@pbs!laptops")[index % 3],
        comment,
        seed,
        int((4 + 120 * turn) * GIB),
        spec.backups_per_group,
        75_600 + int(turn * 9_000),
        is_encrypted=index == 0,
    )


def _jobs(server: BackupServer, stores: list[Datastore], spec: PbsSpec) -> list[PbsJob]:
    if not spec.jobs:
        return []
    jobs = [
        PbsJob("gc", store.name, store.name, "03:15", seconds=1_260 + number * 400)
        for number, store in enumerate(stores)
    ]
    for number, store in enumerate(stores):
        jobs.append(
            PbsJob(
                "verify",
                f"v-{store.name}",
                store.name,
                "03:45",
                seconds=2_600,
                options={"ignore-verified": True, "outdated-after": 30, "max-depth": 7},
                status="verification failed - please check the log for details"
                if number == 0 and spec.verification_failures
                else "OK",
            )
        )
        jobs.append(
            PbsJob(
                "prune",
                f"s-{store.name}",
                store.name,
                "01:30",
                seconds=9,
                options={"keep-daily": 7, "keep-weekly": 4, "keep-monthly": 6},
            )
        )
    pulled = stores[-1].name
    jobs.append(
        PbsJob(
            "sync",
            f"pull-{pulled}",
            pulled,
            "05:00",
            seconds=4_100,
            options={
                "remote": "other-site",
                "remote-store": "main",
                "owner": "backup@pbs",
                "remove-vanished": True,
                "comment": "from the other site",
            },
        )
    )
    if server.version >= (3, 3):
        jobs.append(
            PbsJob(
                "sync",
                f"push-{stores[0].name}",
                stores[0].name,
                "06:00",
                seconds=2_700,
                status=spec.push_status,
                options={"remote": "other-site", "remote-store": "copies", "sync-direction": "push"},
            )
        )
    return jobs

"""The calls of Proxmox VE about backup jobs."""

from __future__ import annotations

from tests.fake_proxmox.backups import BackupJob
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import Guest
from tests.fake_proxmox.pve import call, cluster_of
from tests.fake_proxmox.pve_guests import disk_storage

_AUDIT = ("/", "Sys.Audit")


@call("GET", "/cluster/backup", privilege=_AUDIT)
def jobs(request: Call) -> list[Row]:
    """The backup jobs."""
    return [_row(request, job) for job in cluster_of(request).jobs.values()]


def _row(request: Call, job: BackupJob) -> Row:
    row: Row = {
        "id": job.id,
        "type": "vzdump",
        "schedule": job.schedule,
        "storage": job.storage,
        "mode": job.mode,
        "compress": "zstd",
        "mailnotification": "always",
        "notes-template": "{{guestname}}",
        # Disabled jobs are told as such, enabled ones not always: "missing" means on.
        **({} if job.is_enabled and len(job.id) % 2 else {"enabled": int(job.is_enabled)}),
    }
    if job.is_enabled:
        row["next-run"] = job.next_start(request.told_now)
    if job.vmids is not None:
        row["vmid"] = ",".join(map(str, job.vmids))
    elif job.pool:
        row["pool"] = job.pool
    else:
        row["all"] = 1
    if job.exclude or (row.get("all") and _left_out(request)):
        row["exclude"] = ",".join(map(str, sorted({*job.exclude, *_left_out(request)})))
    if job.node:
        row["node"] = job.node
    if job.comment:
        row["comment"] = job.comment
    if job.repeats_missed:
        row["repeat-missed"] = 1
    if job.prune:
        row["prune-backups"] = dict(part.split("=") for part in job.prune.split(","))
    return row


def _left_out(request: Call) -> list[int]:
    return [guest.vmid for guest in cluster_of(request).guests.values() if not guest.is_backed_up]


@call("GET", "/cluster/backup/{id}/included_volumes", privilege=_AUDIT)
def included_volumes(request: Call) -> Row:
    """The guests of a job, and which of their disks it takes."""
    cluster, name = cluster_of(request), request.names["id"]
    job = cluster.jobs.get(name)
    if job is None:
        raise ApiFailure(400, "Parameter verification failed.", {"id": f"No such job '{name}'"})
    return {
        "children": [
            {
                "id": guest.vmid,
                "name": guest.name,
                "type": guest.kind,
                "children": [_volume(request, guest)],
            }
            for guest in cluster.guests.values()
            if job.covers(guest) and job.node in ("", guest.node)
        ]
    }


def _volume(request: Call, guest: Guest) -> Row:
    disk, form = ("scsi0", "vm") if guest.kind == "qemu" else ("rootfs", "subvol")
    is_left_out = guest.kind == "qemu" and guest.vmid % 17 == 3
    return {
        "id": disk,
        "name": f"{disk_storage(request, guest)}:{form}-{guest.vmid}-disk-0",
        "included": int(not is_left_out),
        "reason": "disabled" if is_left_out else "enabled" if guest.kind == "qemu" else "rootfs",
    }


@call("GET", "/cluster/backup-info/not-backed-up", privilege=_AUDIT)
def not_backed_up(request: Call) -> list[Row]:
    """The guests that no enabled job covers."""
    cluster = cluster_of(request)
    enabled = [job for job in cluster.jobs.values() if job.is_enabled]
    return [
        {"vmid": guest.vmid, "name": guest.name, "type": guest.kind}
        for guest in cluster.guests.values()
        if request.may(f"/vms/{guest.vmid}", "VM.Audit")
        and not any(job.covers(guest) and job.node in ("", guest.node) for job in enabled)
    ]

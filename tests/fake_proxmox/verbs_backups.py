"""Verbs of a PVE site about backups, their jobs, and tasks."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.backups import Archive, BackupJob, archive_of
from tests.fake_proxmox.tasks import Task

if TYPE_CHECKING:
    from tests.fake_proxmox.sites import PveSite

_JOB_FACTS = frozenset(field.name for field in fields(BackupJob)) - {"id"}
_ARCHIVE_FACTS = frozenset(field.name for field in fields(Archive)) - {"vmid", "storage", "at", "kind"}


class BackupVerbs:
    """Part of PveSite."""

    def add_backup(self: PveSite, vmid: int, storage: str, *, at: float | None = None, **facts: Any) -> int:
        """A backup of a guest lies in a storage, begun a minute ago unless told; returns when it began.

        `facts`: size, notes, is_protected, is_finished, verification ("ok", "failed"), fingerprint, seconds, node.
        """
        _check(facts, _ARCHIVE_FACTS)
        with self.changing():
            begun_at = int(self.clock.now() - 60 if at is None else at)
            guest = self.model.guests.get(vmid) or self.model.departed[vmid]
            made = archive_of(self.model, guest, self.model.storages[storage].name, begun_at)
            self.model.added_archives.append(Archive(**{**vars(made), **facts}))
        return begun_at

    def remove_backup(self: PveSite, vmid: int, storage: str, at: float | None = None) -> int:
        """The backup of a guest that began at an instant is gone, its newest unless told; returns how many are gone."""
        with self.changing():
            found = self.backups.archives_of(vmid, storage, self.clock.now())
            if at is None and found:
                at = max(archive.at for archive in found)
            gone = [archive for archive in found if archive.at == at]
            self.model.removed_archives |= {(vmid, storage, archive.at) for archive in gone}
            self.model.added_archives = [each for each in self.model.added_archives if each not in gone]
        return len(gone)

    def change_backup(self: PveSite, vmid: int, storage: str, at: float, **facts: Any) -> None:
        """Change facts of a backup: notes, is_protected, verification, size, ... as for add_backup."""
        _check(facts, _ARCHIVE_FACTS)
        with self.changing():
            changed = self.model.changed_archives.setdefault((vmid, storage, int(at)), {})
            changed.update(facts)
            self.model.added_archives = [
                Archive(**{**vars(each), **facts})
                if (each.vmid, each.storage, each.at) == (vmid, storage, int(at))
                else each
                for each in self.model.added_archives
            ]

    def set_job(self: PveSite, job_id: str, **facts: Any) -> None:
        """Change a backup job, or make one that runs from now on (`storage` is needed then).

        `facts`: schedule ("02:30", "sat 02:30"), storage, vmids, exclude, pool, node, is_enabled, mode, comment, prune,
        failing {vmid: [reason, since]}, warning {vmid: since}, missed_days [days since 1970], created_at.
        """
        _check(facts, _JOB_FACTS)
        # JSON has neither sets nor numbers as keys.
        if "missed_days" in facts:
            facts["missed_days"] = {int(day) for day in facts["missed_days"]}
        for key in ("vmids", "exclude"):
            if facts.get(key) is not None:
                facts[key] = tuple(int(vmid) for vmid in facts[key])
        if "failing" in facts:
            facts["failing"] = {int(vmid): (text, at) for vmid, (text, at) in facts["failing"].items()}
        if "warning" in facts:
            facts["warning"] = {int(vmid): at for vmid, at in facts["warning"].items()}
        with self.changing():
            job = self.model.jobs.get(job_id)
            if job is None:
                facts.setdefault("created_at", self.clock.now())
                self.model.jobs[job_id] = BackupJob(job_id, **facts)
                return
            for key, value in facts.items():
                setattr(job, key, value)

    def remove_job(self: PveSite, job_id: str) -> None:
        """The backup job is gone, and with it what it would have left behind."""
        with self.changing():
            del self.model.jobs[job_id]

    def start_task(
        self: PveSite,
        node: str,
        type: str,
        id: str = "",
        user: str = "root@pam",
        log: list[str] | None = None,
        started_at: float | None = None,
    ) -> str:
        """A task runs on a node from now on; returns its UPID. Its user may be a token: root@pam!name."""
        with self.changing():
            at = int(self.clock.now() if started_at is None else started_at)
            task = Task(self.node(node).name, type, str(id), at, user, log=list(log or []))
            taken = {each.upid for each in self.model.tasks}
            while task.upid in taken:
                task.pid += 1
            self.model.tasks.append(task)
        return task.upid

    def finish_task(self: PveSite, upid: str, status: str = "OK", log: list[str] | None = None) -> None:
        """The task has ended, well unless told; more lines of its log may come with it."""
        with self.changing():
            task = next(task for task in self.model.tasks if task.upid == upid)
            task.ended_at, task.status = int(self.clock.now()), status
            task.log += log or []

    def fail_task(self: PveSite, upid: str, reason: str = "job errors", log: list[str] | None = None) -> None:
        """The task has ended with an error."""
        self.finish_task(upid, reason, log)


def _check(facts: dict[str, Any], known: frozenset[str]) -> None:
    unknown = facts.keys() - known
    if unknown:
        raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")


BACKUP_VERBS = (
    "add_backup",
    "remove_backup",
    "change_backup",
    "set_job",
    "remove_job",
    "start_task",
    "finish_task",
    "fail_task",
)

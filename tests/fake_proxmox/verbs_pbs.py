"""Verbs of a backup server about groups, snapshots, jobs and tasks."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.contents import Snapshot
from tests.fake_proxmox.model import GIB
from tests.fake_proxmox.pbs_model import PbsJob, PbsTask

if TYPE_CHECKING:
    from tests.fake_proxmox.site_pbs import PbsSite

_JOB_FACTS = frozenset(field.name for field in fields(PbsJob)) - {"kind", "id"}


class ContentVerbs:
    """Part of PbsSite. Each `namespace` is empty for the root."""

    def add_namespace(self: PbsSite, datastore: str, namespace: str, comment: str = "") -> None:
        """The datastore has a namespace with this path."""
        with self.changing():
            store = self.model.datastores[datastore]
            store.namespaces.setdefault(namespace, {})
            if comment:
                store.namespace_comments[namespace] = comment

    def remove_namespace(self: PbsSite, datastore: str, namespace: str) -> None:
        """The namespace is gone, with the groups in it."""
        with self.changing():
            store = self.model.datastores[datastore]
            del store.namespaces[namespace]
            store.added = [each for each in store.added if each[0] != namespace]

    def add_backup(
        self: PbsSite,
        datastore: str,
        kind: str,
        backup_id: str,
        *,
        namespace: str = "",
        at: float | None = None,
        size: int = 8 * GIB,
        owner: str = "root@pam",
        **facts: Any,
    ) -> int:
        """A snapshot of a group (vm, ct, host) exists, begun a minute ago unless told; returns when it began.

        `facts`: comment, is_finished, is_protected, verification ("ok", "failed"), fingerprint, seconds.
        """
        with self.changing():
            begun_at = int(self.clock.now() - 60 if at is None else at)
            store = self.model.datastores[datastore]
            store.namespaces.setdefault(namespace, {})
            store.added.append((namespace, Snapshot(kind, backup_id, begun_at, size, owner, **facts)))
        return begun_at

    def remove_backup(
        self: PbsSite,
        datastore: str,
        kind: str,
        backup_id: str,
        *,
        namespace: str = "",
        at: float | None = None,
    ) -> int:
        """The snapshot that began at an instant is gone, all of the group unless told; returns how many are gone."""
        with self.changing():
            gone = self._found(datastore, namespace, kind, backup_id, at)
            store = self.model.datastores[datastore]
            store.removed |= {(namespace, kind, backup_id, each.at) for each in gone}
        return len(gone)

    def change_backup(
        self: PbsSite,
        datastore: str,
        kind: str,
        backup_id: str,
        *,
        namespace: str = "",
        at: float | None = None,
        **facts: Any,
    ) -> int:
        """Change facts of a snapshot, the newest of its group unless told; returns when it began."""
        with self.changing():
            found = self._found(datastore, namespace, kind, backup_id, at)
            if not found:
                raise ValueError(f"no snapshot of {kind}/{backup_id}")
            chosen = max(found, key=lambda snapshot: snapshot.at)
            place = (namespace, kind, backup_id, chosen.at)
            self.model.datastores[datastore].changed.setdefault(place, {}).update(facts)
        return chosen.at

    def set_verification(
        self: PbsSite,
        datastore: str,
        kind: str,
        backup_id: str,
        state: str,
        *,
        namespace: str = "",
        at: float | None = None,
    ) -> int:
        """A snapshot, the newest of its group unless told, is verified "ok", "failed", or "" for never; returns when it began."""
        return self.change_backup(datastore, kind, backup_id, namespace=namespace, at=at, verification=state)

    def _found(
        self: PbsSite, datastore: str, namespace: str, kind: str, backup_id: str, at: float | None
    ) -> list[Snapshot]:
        found = self.snapshots(self.model.datastores[datastore], namespace, self.clock.now())
        return [each for each in found if each.key == (kind, backup_id) and at in (None, each.at)]

    def set_job(self: PbsSite, kind: str, job_id: str, **facts: Any) -> None:
        """Change a job (kind gc, verify, prune or sync), or make one (`store` and `schedule` are needed then).

        `facts`: store, schedule ("03:15"), status (how its last run ended), seconds, is_running, has_run, options.
        """
        unknown = facts.keys() - _JOB_FACTS
        if unknown:
            raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")
        with self.changing():
            job = self.model.jobs.get((kind, job_id))
            if job is None:
                self.model.jobs[(kind, job_id)] = PbsJob(kind, job_id, **facts)
                return
            for key, value in facts.items():
                setattr(job, key, value)

    def remove_job(self: PbsSite, kind: str, job_id: str) -> None:
        """The job is gone."""
        with self.changing():
            del self.model.jobs[(kind, job_id)]

    def start_task(
        self: PbsSite, type: str, id: str = "", user: str = "root@pam", log: list[str] | None = None
    ) -> str:
        """A task runs from now on; returns its UPID."""
        with self.changing():
            task = PbsTask(self.model.name, type, id, int(self.clock.now()), user, log=list(log or []))
            self.model.tasks.append(task)
        return task.upid

    def finish_task(self: PbsSite, upid: str, status: str = "OK", log: list[str] | None = None) -> None:
        """The task has ended, well unless told; more lines of its log may come with it."""
        with self.changing():
            task = next(task for task in self.model.tasks if task.upid == upid)
            task.ended_at, task.status = int(self.clock.now()), status
            task.log += log or []

    def fail_task(self: PbsSite, upid: str, reason: str, log: list[str] | None = None) -> None:
        """The task has ended with an error."""
        self.finish_task(upid, reason, log)


CONTENT_VERBS = (
    "add_namespace",
    "remove_namespace",
    "add_backup",
    "remove_backup",
    "change_backup",
    "set_verification",
    "set_job",
    "remove_job",
    "start_task",
    "finish_task",
    "fail_task",
)

"""What follows from everything that was collected of all instances: whose each backup is, and which guests are safe."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from monitoring.backups.attribution import Attribution
from monitoring.backups.coverage import Coverage
from monitoring.figures.servers import BackupJob
from monitoring.known.kinds import Kind, Outline

#: "<datastore>/<namespace>|<kind>/<id>", the kind and id as PBS has them.
GroupKey = str


def group_key(store: str, namespace: str, kind: str, identity: str) -> GroupKey:
    """Return what a backup group is kept under."""
    return f"{store}/{namespace}|{kind}/{identity}"


class Judgement(msgspec.Struct, frozen=True):
    """One judgement over the whole estate; replaced whole. Instances are keyed by their primary keys.

    `facts` holds a mark of what it was made from, by instance. `missed` holds, by "<kind> <id>" of a job, the instant of
    the run that should have been and was not.
    """

    version: int = 0
    judged_at: float = 0.0
    facts: dict[int, int] = {}
    attributions: dict[int, dict[GroupKey, Attribution]] = {}
    coverages: dict[int, dict[int, Coverage]] = {}
    server_backup_jobs: dict[int, tuple[BackupJob, ...]] = {}
    missed: dict[int, dict[str, int]] = {}

    def coverage_of(self, instance: int) -> Mapping[int, Coverage]:
        """Return the coverage of a PVE instance's guests by vmid."""
        return self.coverages.get(instance, {})

    def attributions_of(self, instance: int) -> Mapping[GroupKey, Attribution]:
        """Return whose the backup groups of a PBS are."""
        return self.attributions.get(instance, {})

    def missed_by(self, instance: int) -> Mapping[str, int]:
        """Return the missed runs of an instance's jobs."""
        return self.missed.get(instance, {})


NOTHING_JUDGED = Judgement()
#: Kept once, for all instances.
JUDGEMENT = Kind("judgement", Judgement, Outline, in_parts=True)

"""Backups that are not what they should be, runs that did not happen, and what Pulse could not judge; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitoring.backups.coverage import Coverage
from monitoring.concerns.guests import guest
from monitoring.concerns.shapes import WARNING, Concern
from monitoring.known.facts import Facts


def failed_verifications(coverage: Mapping[int, Coverage], read_epoch: float) -> Iterator[Concern]:
    """Yield the guests some of whose backups are not what was written."""
    for vmid, judged in coverage.items():
        count = judged.failed_verification_count
        if count:
            what = "1 backup" if count == 1 else f"{count} backups"
            text = f"{what} of guest {vmid} failed verification"
            yield Concern("verification_failed", WARNING, str(vmid), text, read_epoch, guest(vmid))


def dated_ahead(coverage: Mapping[int, Coverage], read_epoch: float) -> Iterator[Concern]:
    """Yield the guests that have backups of the future: they prove nothing until then."""
    for vmid, judged in coverage.items():
        count = judged.ahead_count
        if count:
            what = "1 backup of" if count == 1 else f"{count} backups of"
            is_dated, they = ("is dated", "It counts") if count == 1 else ("are dated", "They count")
            text = f"{what} guest {vmid} {is_dated} in the future: {they.lower()} for nothing until then"
            yield Concern("backup_ahead", WARNING, str(vmid), text, read_epoch, guest(vmid))


def missed_backups(facts: Facts, missed: Mapping[str, int]) -> Iterator[Concern]:
    """Yield the backup jobs of a PVE that should have begun and did not, whatever they write to."""
    for job in facts.jobs:
        if job.is_enabled and missed.get(f"backup {job.id}"):
            text = f"Backup job {job.id} was due and did not run"
            yield Concern("job_missed", WARNING, f"backup {job.id}", text, facts.tasks_epoch)


def not_judged(failure: str, judged_epoch: float) -> Iterator[Concern]:
    """Yield that Pulse itself has failed over the backups of an instance: of these nothing is told."""
    if failure:
        text = (
            f"Pulse could not judge the backups here because of an error of its own ({failure}): see its log"
        )
        yield Concern("judging_failed", WARNING, "backups", text, judged_epoch)

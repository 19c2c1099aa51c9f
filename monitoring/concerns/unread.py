"""What was read and cannot be read any more, so that nothing is known of what may be wrong there; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitoring.concerns.shapes import CRITICAL, WARNING, Concern, cut, listed
from monitoring.figures.staleness import is_recent
from monitoring.known.facts import Facts
from monitoring.known.flaws import Broken
from monitoring.known.freshness import JUDGED_SECONDS, is_current, manages_services
from monitoring.known.lanes import Lane, Progress, ProgressByLane, Subject
from monitoring.known.terms import DENIALS
from monitoring.known.troubles import Trouble

#: What a lane tells of the whole instance, in a sentence. Ceph has one of its own.
OF_INSTANCE: Mapping[Lane, str] = {
    Lane.CREDENTIAL: "when the account expires",
    Lane.MEMBERSHIP: "the membership of the cluster",
    Lane.STORAGE_DEFINITIONS: "the definitions of the storages",
    Lane.HA: "high availability",
    Lane.REPLICATION_JOBS: "the replication jobs",
    Lane.VOTES: "the votes",
    Lane.QDEVICE: "the QDevice",
    Lane.BACKUP_JOBS: "the backup jobs",
    Lane.DATASTORE_USE: "the use of the datastores",
    Lane.DATASTORES: "the list of datastores",
    Lane.SERVER_JOBS: "the jobs",
    Lane.MAIL_NODES: "the nodes of the gateway",
}
#: The same of a node, or of the host of a backup server.
OF_NODE: Mapping[Lane, str] = {
    Lane.NODE_STATUS: "the status",
    Lane.VERSIONS: "the version",
    Lane.SERVICES: "the services",
    Lane.REPOSITORIES: "the package repositories",
    Lane.NODE_STORAGES: "the storages",
    Lane.ZFS_POOLS: "the ZFS pools",
    Lane.THIN_POOLS: "the thin pools",
    Lane.DISKS: "the disks",
    Lane.SMART_LIST: "SMART of the disks",
    Lane.CERTIFICATES: "the certificates",
    Lane.SUBSCRIPTION: "the subscription",
    Lane.UPDATES: "the pending updates",
    Lane.REPLICATION: "the replication",
}
#: The task that judges how backups are; it runs every few minutes even when nothing has changed.
JUDGING = "monitoring.tasks.judge_backups"
#: One failure is no news: the next try may well succeed.
TOLD_FAILURES = 2


def unread(
    words: Mapping[Lane, str],
    facts: Facts,
    polled: ProgressByLane,
    *,
    subject: str = "",
    of: str = "",
    at_epoch: float,
) -> Iterator[Concern]:
    """Yield what can no longer be read of an instance, or of the node that is the `subject`, all in one sentence.

    What the account may not see any more is told among its permissions, and what was never read where it is missing.
    `polled` is the progress of the lanes that the polls themselves ask, `of` what follows the names of the lanes.
    """
    old = [
        (lane, one)
        for lane in words
        for one in (*progress_with(facts.progress, lane, subject), *progress_with(polled, lane, subject))
        if is_lost(one)
        and not is_current(lane, one.done_epoch, at_epoch=at_epoch, is_idle=is_idle(lane, subject, facts))
    ]
    if old:
        newest = max(old, key=lambda entry: entry[1].tried_epoch)[1]
        what = listed([words[lane] for lane in dict.fromkeys(lane for lane, _ in old)])
        text = (
            f"Out of date, and not to be read any more: {what}{of} ({cut(newest.message.removesuffix('.'))})"
        )
        read_epoch = min(one.done_epoch for _, one in old)
        yield Concern("out_of_date", WARNING, subject, text, read_epoch)


def progress_with(progress: ProgressByLane, lane: Lane, subject: str) -> Iterator[Progress]:
    """Yield the progress of a lane with one node, or with every subject when none is named."""
    subjects = progress.get(lane, {})
    yield from (one for key, one in subjects.items() if subject in ("", key))


def is_lost(one: Progress) -> bool:
    """Return whether a lane has told something once, and fails now for no want of rights."""
    return bool(one.done_epoch and one.code) and one.code not in DENIALS and one.failures >= TOLD_FAILURES


def is_idle(lane: Lane, subject: Subject, facts: Facts) -> bool:
    """Return whether a lane asks less often, because there is nothing of its kind as far as is known."""
    if lane is Lane.HA:
        return not manages_services(facts.ha)
    return lane is Lane.ZFS_POOLS and not facts.node(str(subject)).zfs_pools


def failing_tasks(
    troubles: Iterable[Trouble], instance_id: int, *, not_kept: str, judged_epoch: float, at_epoch: float
) -> Iterator[Concern]:
    """Yield what of Pulse itself fails behind the polls of an instance.

    `not_kept`: what went wrong when what was read should be kept; `judged_epoch` when backups were judged last, 0 for never.
    """
    for one in troubles:
        if one.task == JUDGING or one.subject == instance_id:
            what = (
                "the backups are not judged any more"
                if one.task == JUDGING
                else f"{one.task} does not end well"
            )
            text = f"Pulse itself fails ({one.error}): {what}. Its log has the details"
            yield Concern("internal_error", WARNING, one.task, text)
            judged_epoch = 0.0 if one.task == JUDGING else judged_epoch
    if not_kept:
        text = f"Pulse itself fails ({not_kept}): what was read cannot be kept. Its log has the details"
        yield Concern("internal_error", WARNING, "keeping", text)
    if judged_epoch and not is_recent(judged_epoch, at_epoch=at_epoch, seconds=JUDGED_SECONDS):
        text = "The backups have not been judged for a while: nothing is known of how they are now"
        yield Concern("internal_error", WARNING, JUDGING, text, judged_epoch)


def unsaved(code: str, text: str) -> Concern:
    """Return that nothing is saved, or not for long; figures are shown and hosts are asked as always."""
    return Concern("not_saved", CRITICAL, code, f"{text[0].upper()}{text[1:]}")


def flaws(facts: Facts, polled: ProgressByLane) -> Iterator[Concern]:
    """Yield what Pulse itself fails at with this instance: the first of its words, with the lanes that it is about."""
    broken = {
        lane: one
        for progress in (facts.progress, polled)
        for lane, subjects in progress.items()
        for one in subjects.values()
        if one.code == Broken.code
    }
    for what, error in facts.flaws.items():
        text = f"Pulse itself fails ({error}): {what}. Its log has the details"
        yield Concern("internal_error", WARNING, what, text)
    if broken:
        text = f"Pulse itself fails with {listed(sorted(broken))}: {next(iter(broken.values())).message}"
        yield Concern("internal_error", WARNING, "lanes", text.removesuffix("."))

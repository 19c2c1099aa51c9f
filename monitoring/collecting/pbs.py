"""The slow lanes of a PBS. Groups tell which of them has a new snapshot: only those are listed again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from monitoring.backups import rights
from monitoring.collecting.credentials import credential_questions
from monitoring.collecting.disks import disk_questions
from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import LISTING_SECONDS, Visit, refuse_too_many
from monitoring.known.datastores import is_outdated, left_out
from monitoring.known.facts import NamespaceBackups, NamespaceKey
from monitoring.known.lanes import Key, Lane
from monitoring.known.wanted import wanted_jobs
from nodes.proxmox import access, backup_server, backups, hardware, pbs
from nodes.proxmox.errors import LoginFailed, ProxmoxError, TooLarge
from nodes.proxmox.readings.backup_server import BackupGroupReading, BackupSnapshotReading, ServerJobReading
from nodes.proxmox.readings.backups import TaskReading

HOST = "localhost"
#: Tasks of this long are kept.
TASK_SECONDS = 24 * 3600
MOST_TASKS = 500
#: More changed groups than this in one place are read by one listing of the whole place.
MOST_GROUPS_ONE_BY_ONE = 8
#: From this version on sync jobs that push are told, and one call tells all garbage collections.
PUSH_SINCE = (3, 3)
ALL_GARBAGE_SINCE = (3, 2)

VERIFY_TASKS = frozenset({"verify", "verificationjob", "verify_group", "verify_snapshot"})
#: Kinds of tasks that add or remove snapshots, with the kind of job that they are a run of.
CHANGING_TASKS = {"prune": "prune", "prunejob": "prune", "syncjob": "sync"}
#: Kinds of tasks after which datastores, or their maintenance, are others.
STORE_TASKS = frozenset(
    {"create-datastore", "delete-datastore", "mount-device", "unmount-device", "s3-refresh"}
)


def questions(visit: Visit) -> Iterator[Question]:
    """Yield every question of the server, due or not."""
    yield Question(Lane.PERMISSIONS, "", read_permissions)
    yield from credential_questions(visit)
    yield Question(Lane.SERVER_TASKS, "", read_tasks)
    if visit.may("/system/certificates", "Sys.Modify"):
        yield Question(Lane.CERTIFICATES, HOST, read_certificates)
    yield Question(Lane.SUBSCRIPTION, HOST, read_subscription)
    if visit.may("/", "Sys.Audit"):
        yield Question(Lane.UPDATES, HOST, read_updates)
    yield Question(Lane.TIME, HOST, read_time)
    yield from disk_questions(visit, HOST, is_possible=visit.may("/system/disks", "Sys.Audit"))
    yield from job_questions(visit)
    if visit.instance.monitor_datastores:
        yield from store_questions(visit)


def store_questions(visit: Visit) -> Iterator[Question]:
    """Yield the list of the datastores, and what is asked of each of them."""
    if is_outdated(visit.memory.datastores, visit.facts):
        visit.hasten([(Lane.DATASTORES, "")], since=visit.memory.datastores_epoch)
    yield Question(Lane.DATASTORES, "", read_datastores)
    open_stores = set(datastores(visit))
    for store in sorted(store_names(visit)):
        is_open = store in open_stores
        may = is_open and sees(visit, store)
        yield Question(Lane.NAMESPACES, store, read_namespaces, (store,), may)
        for namespace in visit.facts.namespaces.get(store, ()):
            yield from namespace_questions(visit, store, namespace.path, is_open=is_open)


def store_names(visit: Visit) -> set[str]:
    """Return the datastores there are, those that nothing can be read of now among them."""
    return {one.name for one in visit.memory.datastores} | visit.facts.datastore_states.keys()


def datastores(visit: Visit) -> Iterator[str]:
    """Yield the datastores that can be asked."""
    server = visit.figures.server
    for store in server.datastores if server is not None else ():
        if store.status != "unavailable" and not store.is_stale:
            yield store.name


def sees(visit: Visit, store: str, namespace: str = "") -> bool:
    """Return whether the account sees anything in a namespace, or in a datastore or below it."""
    path = f"/datastore/{store}/{namespace}".rstrip("/")
    if visit.may(path, *rights.SEEING):
        return True
    held = visit.facts.permissions
    return not namespace and held is not None and rights.sees_datastore(held, store)


def job_questions(visit: Visit) -> Iterator[Question]:
    """Yield the kinds of jobs that are to be monitored."""
    readers = {
        "sync": read_sync_jobs,
        "verify": read_verify_jobs,
        "prune": read_prune_jobs,
        "garbage": read_garbage,
    }
    wanted = wanted_jobs(visit.instance)
    yield from (Question(Lane.SERVER_JOBS, kind, read) for kind, read in readers.items() if kind in wanted)


def namespace_questions(visit: Visit, store: str, namespace: str, *, is_open: bool) -> Iterator[Question]:
    """Yield the listing of groups, and the one of snapshots that also shows what was verified or protected since."""
    key = (store, namespace)
    may = is_open and visit.may(f"/datastore/{store}/{namespace}".rstrip("/"), *rights.SEEING)
    yield Question(Lane.GROUPS, key, read_groups, key, may)
    place = visit.facts.backups.get(key)
    if place is None or not place.is_large:
        yield Question(Lane.SNAPSHOTS, key, read_snapshots, key, may)
        return
    for group in place.groups:
        yield Question(Lane.GROUP_SNAPSHOTS, (*key, name_of(group)), read_group, (*key, group), may)


def version_of(visit: Visit) -> tuple[int, ...]:
    """Return the version of the server as numbers."""
    parts = visit.facts.server_version.replace("-", ".").split(".")[:3]
    return tuple(int(part) for part in parts if part.isdigit())


def read_permissions(visit: Visit) -> None:
    """Read what the account may do."""
    visit.keep(permissions=visit.ask(access.permissions))


def read_tasks(visit: Visit) -> None:
    """Read the tasks of the last day; what was verified or backed up is looked at again."""
    since = int(visit.epoch) - TASK_SECONDS
    tasks = visit.ask(backup_server.server_tasks, since=since, limit=MOST_TASKS)
    before = {task.upid: task for task in visit.facts.tasks}
    if before:
        for task in tasks:
            known = before.get(task.upid)
            if task.ended_epoch is not None and (known is None or known.ended_epoch is None):
                visit.hasten(consequences(visit, task))
    visit.facts.tasks, visit.facts.tasks_epoch = tasks, visit.epoch  # neither published nor judged: no news


def consequences(visit: Visit, task: TaskReading) -> Iterator[Key]:
    """Yield the questions that an ended task has made due."""
    store, _, rest = task.subject.partition(":")
    places = [key for key in visit.facts.backups if key[0] == store]
    if task.kind in VERIFY_TASKS:
        yield Lane.SERVER_JOBS, "verify"
        yield from ((Lane.SNAPSHOTS, key) for key in places)
    elif task.kind == "backup":
        yield from ((Lane.GROUPS, key) for key in places if is_told_in(rest, key[1]))
    elif task.kind in CHANGING_TASKS:
        yield Lane.SERVER_JOBS, CHANGING_TASKS[task.kind]
        yield from ((Lane.GROUPS, key) for key in places)
    elif task.kind == "garbage_collection":
        yield Lane.SERVER_JOBS, "garbage"
    elif task.kind in STORE_TASKS:
        yield Lane.DATASTORES, ""


def is_told_in(subject: str, namespace: str) -> bool:
    """Return whether the subject of a backup task, such as `ns/dev/a:vm/100`, may be in a namespace; "" is the root.

    PBS has written it in several ways: a namespace counts where it stands between colons, slashes or the ends.
    """
    if not namespace:
        return re.fullmatch(r"(?:vm|ct|host)/[^/:]+", subject) is not None
    return re.search(rf"(?:^|[:/]){re.escape(namespace)}(?:[:/]|$)", subject) is not None


def read_certificates(visit: Visit) -> None:
    """Read the certificates and when they expire."""
    visit.keep_host(certificates=visit.ask(hardware.certificates, HOST))


def read_subscription(visit: Visit) -> None:
    """Read whether the server has a subscription."""
    visit.keep_host(subscription=visit.ask(hardware.subscription, HOST))


def read_updates(visit: Visit) -> None:
    """Read the pending updates, which a PBS tells to whoever may look."""
    visit.keep_host(updates=visit.ask(hardware.pending_updates, HOST))


def read_time(visit: Visit) -> None:
    """Read in which time zone schedules are meant, and how far the clock is from ours."""
    told = visit.ask(backups.node_time, HOST)
    visit.keep_host(time_zone=told.zone, clock_ahead_seconds=visit.ahead_of_ours(told.told_epoch))


# --- jobs --------------------------------------------------------------------------------------------------------


def keep_jobs(visit: Visit, kind: str, jobs: tuple[ServerJobReading, ...]) -> None:
    """Keep the jobs of a kind, and since when each is known as it is."""
    note_jobs(visit, kind, jobs)
    visit.keep_entry("server_jobs", kind, jobs)


def note_jobs(visit: Visit, kind: str, jobs: Iterable[ServerJobReading]) -> None:
    """Note the jobs of a kind as they are now."""
    visit.facts.note_jobs(
        kind, {job.id: f"{job.is_disabled} {job.schedule}" for job in jobs}, epoch=visit.epoch
    )


def read_sync_jobs(visit: Visit) -> None:
    """Read the sync jobs; without Remote.Audit the list is empty."""
    all_directions = version_of(visit) >= PUSH_SINCE
    keep_jobs(visit, "sync", visit.ask(backup_server.sync_jobs, all_directions=all_directions))


def read_verify_jobs(visit: Visit) -> None:
    """Read the verify jobs."""
    keep_jobs(visit, "verify", visit.ask(backup_server.verify_jobs))


def read_prune_jobs(visit: Visit) -> None:
    """Read the prune jobs."""
    keep_jobs(visit, "prune", visit.ask(backup_server.prune_jobs))


def read_garbage(visit: Visit) -> None:
    """Read the garbage collections, in one call where the server knows it.

    Where it does not, one datastore that fails keeps what was known of it.
    """
    if version_of(visit) >= ALL_GARBAGE_SINCE:
        keep_jobs(visit, "garbage", visit.ask(backup_server.garbage_collection))
        return
    known = {job.id: job for job in visit.facts.server_jobs.get("garbage", ())}
    failure: ProxmoxError | None = None
    for store in datastores(visit):
        try:
            known[store] = visit.ask(backup_server.store_garbage, store)
        except ProxmoxError as error:
            failure = error
    jobs = tuple(known[store] for store in sorted(known.keys() & store_names(visit)))
    if failure is None:
        keep_jobs(visit, "garbage", jobs)
        return
    note_jobs(visit, "garbage", jobs)
    visit.change(server_jobs={**visit.facts.server_jobs, "garbage": jobs})
    raise failure


# --- datastores --------------------------------------------------------------------------------------------------


def read_datastores(visit: Visit) -> None:
    """Read which datastores there are, and their maintenance."""
    states = {one.name: one for one in visit.ask(pbs.datastore_states)}
    visit.keep(datastore_states=states)
    visit.facts.datastores_left_out = left_out(visit.memory.datastores, states)


# --- backups -----------------------------------------------------------------------------------------------------


def read_namespaces(visit: Visit, store: str) -> None:
    """Read the namespaces of a datastore; what was in those that are gone is forgotten after the visit."""
    visit.keep_entry("namespaces", store, visit.ask(backup_server.namespaces, store))


def read_groups(visit: Visit, store: str, namespace: str) -> None:
    """Read the groups of a namespace, and the snapshots of those that have changed since.

    One that fails, because it was removed meanwhile or cannot be read, does not keep the others from being read; the
    listing of the whole place comes back to it.
    """
    key = (store, namespace)
    place = visit.facts.backups.get(key) or NamespaceBackups()
    groups = visit.ask(backup_server.groups, store, namespace, longest_seconds=LISTING_SECONDS)
    names = {name_of(one) for one in groups}
    place = replace(
        place,
        groups=groups,
        groups_epoch=visit.epoch,
        snapshots={name: known for name, known in place.snapshots.items() if name in names},
    )
    if not place.snapshots_epoch:
        keep_namespace(visit, key, place)
        return
    known = visit.facts.backups.get(key) or NamespaceBackups()
    changed = changed_groups(known.groups, groups)
    if len(changed) > MOST_GROUPS_ONE_BY_ONE:
        keep_namespace(visit, key, place)
        by_group: list[Key] = [(Lane.GROUP_SNAPSHOTS, (*key, name_of(group))) for group in changed]
        visit.hasten(by_group if place.is_large else [(Lane.SNAPSHOTS, key)])
        return
    for group in changed:
        try:
            found = ask_group(visit, store, namespace, group)
        except ProxmoxError as error:
            if error.is_connection_level or isinstance(error, LoginFailed):
                # Not all are read: those that changed still differ from what is known.
                unread = set(changed[changed.index(group) :])
                keep_namespace(visit, key, replace(place, groups=still_changed(known.groups, groups, unread)))
                raise
        else:
            place = replace(place, snapshots={**place.snapshots, name_of(group): found})
    keep_namespace(visit, key, place)


def still_changed(
    before: tuple[BackupGroupReading, ...],
    now: tuple[BackupGroupReading, ...],
    unread: Collection[BackupGroupReading],
) -> tuple[BackupGroupReading, ...]:
    """Return the groups as they are now, those that are unread as they were; new ones among these are left out."""
    known = {name_of(group): group for group in before}
    kept = (known.get(name_of(group)) if group in unread else group for group in now)
    return tuple(group for group in kept if group is not None)


def ask_group(
    visit: Visit, store: str, namespace: str, group: BackupGroupReading
) -> tuple[BackupSnapshotReading, ...]:
    """Return the snapshots of one group, the newest first."""
    found = visit.ask(
        backup_server.snapshots,
        store,
        namespace,
        kind=group.kind,
        id=group.id,
        longest_seconds=LISTING_SECONDS,
    )
    return newest_first(found)


def changed_groups(
    before: tuple[BackupGroupReading, ...], now: tuple[BackupGroupReading, ...]
) -> list[BackupGroupReading]:
    """Return the groups that have other snapshots than before."""
    known = {name_of(group): group for group in before}
    return [
        group
        for group in now
        if name_of(group) not in known
        or (known[name_of(group)].last_backup_epoch, known[name_of(group)].count)
        != (group.last_backup_epoch, group.count)
    ]


def read_snapshots(visit: Visit, store: str, namespace: str) -> None:
    """Read all snapshots of a namespace; where they do not fit into one answer, each group is read by itself from now on."""
    key = (store, namespace)
    place = visit.facts.backups.get(key) or NamespaceBackups()
    try:
        found = visit.ask(backup_server.snapshots, store, namespace, longest_seconds=LISTING_SECONDS)
    except TooLarge:
        keep_namespace(visit, key, replace(place, is_large=True))
        return
    grouped: dict[str, list[BackupSnapshotReading]] = {}
    for snapshot in found:
        grouped.setdefault(f"{snapshot.kind}/{snapshot.id}", []).append(snapshot)
    snapshots = {name: newest_first(members) for name, members in grouped.items()}
    keep_namespace(visit, key, replace(place, snapshots=snapshots, snapshots_epoch=visit.epoch))


def read_group(visit: Visit, store: str, namespace: str, group: BackupGroupReading) -> None:
    """Read the snapshots of one group of a place that is too large to be read at once."""
    key = (store, namespace)
    found = ask_group(visit, store, namespace, group)
    place = visit.facts.backups.get(key) or NamespaceBackups()
    snapshots = {**place.snapshots, name_of(group): found}
    is_whole = snapshots.keys() >= {name_of(one) for one in place.groups}
    read_epoch = visit.epoch if is_whole else place.snapshots_epoch
    keep_namespace(visit, key, replace(place, snapshots=snapshots, snapshots_epoch=read_epoch))


def keep_namespace(visit: Visit, key: NamespaceKey, place: NamespaceBackups) -> None:
    """Keep a place; instants alone are no news. Raises BadAnswer when all places together have too many backups."""
    known = visit.facts.backups.get(key)
    if known is None or place.size > known.size:
        others = sum(one.size for other, one in visit.facts.backups.items() if other != key)
        refuse_too_many("backups", place.size + others)
    visit.facts.backups = {**visit.facts.backups, key: place}
    if known is None or (known.groups, known.snapshots, bool(known.snapshots_epoch)) != (
        place.groups,
        place.snapshots,
        bool(place.snapshots_epoch),
    ):
        visit.facts.is_news("backups")


def name_of(group: BackupGroupReading) -> str:
    """Return what a group is called: `vm/100`."""
    return f"{group.kind}/{group.id}"


def newest_first(
    snapshots: tuple[BackupSnapshotReading, ...] | list[BackupSnapshotReading],
) -> tuple[BackupSnapshotReading, ...]:
    """Return the snapshots of a group in the order of the state."""
    return tuple(sorted(snapshots, key=lambda one: one.taken_epoch, reverse=True))

"""The slow lanes of a PBS. Groups tell which of them has a new snapshot: only those are listed again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from monitoring.backups import rights
from monitoring.collecting.disks import disk_errands
from monitoring.collecting.schedule import Errand
from monitoring.collecting.turn import LISTING_SECONDS, Turn
from monitoring.known.datastores import is_outdated, left_out
from monitoring.known.facts import BackupPlace, PlaceKey
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


def errands(turn: Turn) -> Iterator[Errand]:
    """Yield every errand of the server, due or not."""
    yield Errand(Lane.PERMISSIONS, "", read_permissions)
    yield Errand(Lane.SERVER_TASKS, "", read_tasks)
    if turn.may("/system/certificates", "Sys.Modify"):
        yield Errand(Lane.CERTIFICATES, HOST, read_certificates)
    yield Errand(Lane.SUBSCRIPTION, HOST, read_subscription)
    if turn.may("/", "Sys.Audit"):
        yield Errand(Lane.UPDATES, HOST, read_updates)
    yield Errand(Lane.TIME, HOST, read_time)
    yield from disk_errands(turn, HOST, is_possible=turn.may("/system/disks", "Sys.Audit"))
    yield from job_errands(turn)
    if turn.instance.monitor_datastores:
        yield from store_errands(turn)


def store_errands(turn: Turn) -> Iterator[Errand]:
    """Yield the list of the datastores, and what is asked of each of them."""
    if is_outdated(turn.memory.datastores, turn.facts):
        turn.hasten([(Lane.DATASTORES, "")], since=turn.memory.datastores_at)
    yield Errand(Lane.DATASTORES, "", read_datastores)
    open_stores = set(datastores(turn))
    for store in sorted(store_names(turn)):
        is_open = store in open_stores
        may = is_open and sees(turn, store)
        yield Errand(Lane.NAMESPACES, store, read_namespaces, (store,), may)
        for namespace in turn.facts.namespaces.get(store, ()):
            yield from place_errands(turn, store, namespace.path, is_open=is_open)


def store_names(turn: Turn) -> set[str]:
    """Return the datastores there are, those that nothing can be read of now among them."""
    return {one.name for one in turn.memory.datastores} | turn.facts.datastore_states.keys()


def datastores(turn: Turn) -> Iterator[str]:
    """Yield the datastores that can be asked."""
    server = turn.figures.server
    for store in server.datastores if server is not None else ():
        if store.status != "unavailable" and not store.is_stale:
            yield store.name


def sees(turn: Turn, store: str, namespace: str = "") -> bool:
    """Return whether the account sees anything in a namespace, or in a datastore or below it."""
    path = f"/datastore/{store}/{namespace}".rstrip("/")
    if turn.may(path, *rights.SEEING):
        return True
    held = turn.facts.permissions
    return not namespace and held is not None and rights.sees_datastore(held, store)


def job_errands(turn: Turn) -> Iterator[Errand]:
    """Yield the kinds of jobs that are to be monitored."""
    readers = {
        "sync": read_sync_jobs,
        "verify": read_verify_jobs,
        "prune": read_prune_jobs,
        "garbage": read_garbage,
    }
    wanted = wanted_jobs(turn.instance)
    yield from (Errand(Lane.SERVER_JOBS, kind, read) for kind, read in readers.items() if kind in wanted)


def place_errands(turn: Turn, store: str, namespace: str, *, is_open: bool) -> Iterator[Errand]:
    """Yield the listing of groups, and the one of snapshots that also shows what was verified or protected since."""
    key = (store, namespace)
    may = is_open and turn.may(f"/datastore/{store}/{namespace}".rstrip("/"), *rights.SEEING)
    yield Errand(Lane.GROUPS, key, read_groups, key, may)
    place = turn.facts.places.get(key)
    if place is None or not place.is_large:
        yield Errand(Lane.SNAPSHOTS, key, read_snapshots, key, may)
        return
    for group in place.groups:
        yield Errand(Lane.GROUP_SNAPSHOTS, (*key, name_of(group)), read_group, (*key, group), may)


def version_of(turn: Turn) -> tuple[int, ...]:
    """Return the version of the server as numbers."""
    parts = turn.facts.server_version.replace("-", ".").split(".")[:3]
    return tuple(int(part) for part in parts if part.isdigit())


def read_permissions(turn: Turn) -> None:
    """Read what the account may do."""
    turn.keep(permissions=turn.ask(access.permissions))


def read_tasks(turn: Turn) -> None:
    """Read the tasks of the last day; what was verified or backed up is looked at again."""
    since = int(turn.at) - TASK_SECONDS
    tasks = turn.ask(backup_server.server_tasks, since=since, limit=MOST_TASKS)
    before = {task.upid: task for task in turn.facts.tasks}
    if before:
        for task in tasks:
            known = before.get(task.upid)
            if task.ended_at is not None and (known is None or known.ended_at is None):
                turn.hasten(consequences(turn, task))
    turn.facts.tasks, turn.facts.tasks_epoch = tasks, turn.at  # neither published nor judged: no news


def consequences(turn: Turn, task: TaskReading) -> Iterator[Key]:
    """Yield the errands that an ended task has made due."""
    store, _, rest = task.subject.partition(":")
    places = [key for key in turn.facts.places if key[0] == store]
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


def read_certificates(turn: Turn) -> None:
    """Read the certificates and when they expire."""
    turn.keep_host(certificates=turn.ask(hardware.certificates, HOST))


def read_subscription(turn: Turn) -> None:
    """Read whether the server has a subscription."""
    turn.keep_host(subscription=turn.ask(hardware.subscription, HOST))


def read_updates(turn: Turn) -> None:
    """Read the pending updates, which a PBS tells to whoever may look."""
    turn.keep_host(updates=turn.ask(hardware.pending_updates, HOST))


def read_time(turn: Turn) -> None:
    """Read in which time zone schedules are meant."""
    turn.keep_host(time_zone=turn.ask(backups.node_time, HOST).zone)


# --- jobs --------------------------------------------------------------------------------------------------------


def keep_jobs(turn: Turn, kind: str, jobs: tuple[ServerJobReading, ...]) -> None:
    """Keep the jobs of a kind, and since when each is known as it is."""
    see_jobs(turn, kind, jobs)
    turn.keep_entry("server_jobs", kind, jobs)


def see_jobs(turn: Turn, kind: str, jobs: Iterable[ServerJobReading]) -> None:
    """Note the jobs of a kind as they are now."""
    turn.facts.see_jobs(kind, {job.id: f"{job.is_disabled} {job.schedule}" for job in jobs}, at=turn.at)


def read_sync_jobs(turn: Turn) -> None:
    """Read the sync jobs; without Remote.Audit the list is empty."""
    all_directions = version_of(turn) >= PUSH_SINCE
    keep_jobs(turn, "sync", turn.ask(backup_server.sync_jobs, all_directions=all_directions))


def read_verify_jobs(turn: Turn) -> None:
    """Read the verify jobs."""
    keep_jobs(turn, "verify", turn.ask(backup_server.verify_jobs))


def read_prune_jobs(turn: Turn) -> None:
    """Read the prune jobs."""
    keep_jobs(turn, "prune", turn.ask(backup_server.prune_jobs))


def read_garbage(turn: Turn) -> None:
    """Read the garbage collections, in one call where the server knows it.

    Where it does not, one datastore that fails keeps what was known of it.
    """
    if version_of(turn) >= ALL_GARBAGE_SINCE:
        keep_jobs(turn, "garbage", turn.ask(backup_server.garbage_collection))
        return
    known = {job.id: job for job in turn.facts.server_jobs.get("garbage", ())}
    failure: ProxmoxError | None = None
    for store in datastores(turn):
        try:
            known[store] = turn.ask(backup_server.store_garbage, store)
        except ProxmoxError as error:
            failure = error
    jobs = tuple(known[store] for store in sorted(known.keys() & store_names(turn)))
    if failure is None:
        keep_jobs(turn, "garbage", jobs)
        return
    see_jobs(turn, "garbage", jobs)
    turn.change(server_jobs={**turn.facts.server_jobs, "garbage": jobs})
    raise failure


# --- datastores --------------------------------------------------------------------------------------------------


def read_datastores(turn: Turn) -> None:
    """Read which datastores there are, and their maintenance."""
    states = {one.name: one for one in turn.ask(pbs.datastore_states)}
    turn.keep(datastore_states=states)
    turn.facts.datastores_left_out = left_out(turn.memory.datastores, states)


# --- backups -----------------------------------------------------------------------------------------------------


def read_namespaces(turn: Turn, store: str) -> None:
    """Read the namespaces of a datastore; what was in those that are gone is forgotten after the turn."""
    turn.keep_entry("namespaces", store, turn.ask(backup_server.namespaces, store))


def read_groups(turn: Turn, store: str, namespace: str) -> None:
    """Read the groups of a namespace, and the snapshots of those that have changed since.

    One that fails, because it was removed meanwhile or cannot be read, does not keep the others from being read; the
    listing of the whole place comes back to it.
    """
    key = (store, namespace)
    place = turn.facts.places.get(key) or BackupPlace()
    groups = turn.ask(backup_server.groups, store, namespace, longest_seconds=LISTING_SECONDS)
    names = {name_of(one) for one in groups}
    place = replace(
        place,
        groups=groups,
        groups_epoch=turn.at,
        snapshots={name: known for name, known in place.snapshots.items() if name in names},
    )
    if not place.snapshots_epoch:
        keep_place(turn, key, place)
        return
    known = turn.facts.places.get(key) or BackupPlace()
    changed = changed_groups(known.groups, groups)
    if len(changed) > MOST_GROUPS_ONE_BY_ONE:
        keep_place(turn, key, place)
        by_group: list[Key] = [(Lane.GROUP_SNAPSHOTS, (*key, name_of(group))) for group in changed]
        turn.hasten(by_group if place.is_large else [(Lane.SNAPSHOTS, key)])
        return
    for group in changed:
        try:
            found = ask_group(turn, store, namespace, group)
        except ProxmoxError as error:
            if error.is_connection_level or isinstance(error, LoginFailed):
                # Not all are read: those that changed still differ from what is known.
                unread = set(changed[changed.index(group) :])
                keep_place(turn, key, replace(place, groups=still_changed(known.groups, groups, unread)))
                raise
        else:
            place = replace(place, snapshots={**place.snapshots, name_of(group): found})
    keep_place(turn, key, place)


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
    turn: Turn, store: str, namespace: str, group: BackupGroupReading
) -> tuple[BackupSnapshotReading, ...]:
    """Return the snapshots of one group, the newest first."""
    found = turn.ask(
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
        or (known[name_of(group)].last_backup_at, known[name_of(group)].count)
        != (group.last_backup_at, group.count)
    ]


def read_snapshots(turn: Turn, store: str, namespace: str) -> None:
    """Read all snapshots of a namespace; where they do not fit into one answer, each group is read by itself from now on."""
    key = (store, namespace)
    place = turn.facts.places.get(key) or BackupPlace()
    try:
        found = turn.ask(backup_server.snapshots, store, namespace, longest_seconds=LISTING_SECONDS)
    except TooLarge:
        keep_place(turn, key, replace(place, is_large=True))
        return
    grouped: dict[str, list[BackupSnapshotReading]] = {}
    for snapshot in found:
        grouped.setdefault(f"{snapshot.kind}/{snapshot.id}", []).append(snapshot)
    snapshots = {name: newest_first(members) for name, members in grouped.items()}
    keep_place(turn, key, replace(place, snapshots=snapshots, snapshots_epoch=turn.at))


def read_group(turn: Turn, store: str, namespace: str, group: BackupGroupReading) -> None:
    """Read the snapshots of one group of a place that is too large to be read at once."""
    key = (store, namespace)
    found = ask_group(turn, store, namespace, group)
    place = turn.facts.places.get(key) or BackupPlace()
    snapshots = {**place.snapshots, name_of(group): found}
    is_whole = snapshots.keys() >= {name_of(one) for one in place.groups}
    read_at = turn.at if is_whole else place.snapshots_epoch
    keep_place(turn, key, replace(place, snapshots=snapshots, snapshots_epoch=read_at))


def keep_place(turn: Turn, key: PlaceKey, place: BackupPlace) -> None:
    """Keep a place; instants alone are no news."""
    known = turn.facts.places.get(key)
    turn.facts.places = {**turn.facts.places, key: place}
    if known is None or (known.groups, known.snapshots, bool(known.snapshots_epoch)) != (
        place.groups,
        place.snapshots,
        bool(place.snapshots_epoch),
    ):
        turn.facts.is_news("places")


def name_of(group: BackupGroupReading) -> str:
    """Return what a group is called: `vm/100`."""
    return f"{group.kind}/{group.id}"


def newest_first(
    snapshots: tuple[BackupSnapshotReading, ...] | list[BackupSnapshotReading],
) -> tuple[BackupSnapshotReading, ...]:
    """Return the snapshots of a group in the order of the state."""
    return tuple(sorted(snapshots, key=lambda one: one.taken_at, reverse=True))

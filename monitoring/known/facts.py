"""What the slow lanes know of one instance, and beside each fact when it was read; can be stored.

The collector alone writes. It replaces dicts and tuples instead of changing them, so that whoever reads in another thread
sees one state or the next, and a store sees what is new. Instants are epoch seconds of our own clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address

import msgspec

from monitoring.figures.filesystems import DiskUse
from monitoring.known import costs
from monitoring.known.costs import Costs
from monitoring.known.kinds import Kind, Outline
from monitoring.known.lanes import Progressing
from nodes.proxmox.readings.access import PermissionsReading
from nodes.proxmox.readings.backup_server import (
    BackupGroupReading,
    BackupSnapshotReading,
    NamespaceReading,
    ServerJobReading,
)
from nodes.proxmox.readings.backups import (
    BackupJobReading,
    BackupVolumeReading,
    JobVolumeReading,
    NodeStorageReading,
    StorageConfigReading,
    TaskReading,
    UncoveredGuestReading,
    VzdumpGuestReading,
)
from nodes.proxmox.readings.cluster import (
    CephFlagReading,
    CephOsdReading,
    CephPoolReading,
    CephReading,
    HaReading,
    QdeviceReading,
    ReplicationReading,
    VoteReading,
)
from nodes.proxmox.readings.guests import (
    AddressReading,
    GuestConfigReading,
    GuestDetailReading,
    GuestSnapshotReading,
    GuestSystemReading,
)
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    DiskReading,
    NodeHistoryReading,
    PendingUpdateReading,
    SmartReading,
    SubscriptionReading,
    ThinPoolReading,
    ZfsPoolDetailReading,
    ZfsPoolReading,
)
from nodes.proxmox.readings.live import DatastoreStateReading
from nodes.proxmox.readings.software import RepositoriesReading, ServiceReading

#: What is stored is of this layout; another release begins anew.
LAYOUT = 3

#: A storage and the node that has it; no node for one that is shared.
StorageKey = tuple[str, str]
#: A datastore and a namespace of it; "" is the root.
NamespaceKey = tuple[str, str]
#: What the lists and the judgement are made from.
JUDGED = frozenset(
    {"permissions", "guests", "storages", "volumes", "backup_tasks", "task_results", "jobs", "job_volumes", "uncovered",
     "host", "namespaces", "backups", "server_jobs", "snapshots", "time_zone",
     "clock_ahead_seconds"}
)  # fmt: skip
#: Addresses of a guest in its row; all of them are in its details.
SHOWN_ADDRESSES = 4


@lru_cache(maxsize=65536)
def is_reachable(address: str) -> bool:
    """Return whether other machines can use an address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast)


class GuestFacts(msgspec.Struct, frozen=True):
    """What is known of one guest beside its live figures; `..._epoch` 0 is never."""

    config: GuestConfigReading | None = None
    config_epoch: float = 0.0
    snapshots: tuple[GuestSnapshotReading, ...] = ()
    snapshots_epoch: float = 0.0
    disk: DiskUse | None = None
    disk_epoch: float = 0.0
    agent_code: str = ""  # why the agent told nothing, the code of the error
    addresses: tuple[AddressReading, ...] = ()
    addresses_epoch: float = 0.0
    system: GuestSystemReading | None = None
    system_epoch: float = 0.0
    detail: GuestDetailReading | None = None
    detail_epoch: float = 0.0

    @property
    def shown_addresses(self) -> tuple[str, ...]:
        """The first few addresses that others can reach: no loopback, no link-local ones."""
        if not self.addresses:
            return ()
        shown = [reading.address for reading in self.addresses if is_reachable(reading.address)]
        return tuple(shown[:SHOWN_ADDRESSES])


class SmartFacts(msgspec.Struct, frozen=True):
    """What SMART told of one disk: in the list of all of them, and when it was asked by itself; `..._epoch` 0 is never."""

    serial: str = ""  # of the disk that had the name then: another one may have it after a start of the host
    listed: SmartReading | None = None
    listed_epoch: float = 0.0
    own: SmartReading | None = None
    own_epoch: float = 0.0


class PoolFacts(msgspec.Struct, frozen=True):
    """What a ZFS pool told of its devices, and when."""

    detail: ZfsPoolDetailReading
    read_epoch: float


class NodeFacts(msgspec.Struct, frozen=True):
    """What is known of one node beside its live figures and its status; `..._epoch` 0 is never."""

    version: str = ""
    version_epoch: float = 0.0
    services: tuple[ServiceReading, ...] = ()
    services_epoch: float = 0.0
    repositories: RepositoriesReading | None = None
    repositories_epoch: float = 0.0
    storages: tuple[NodeStorageReading, ...] = ()
    storages_epoch: float = 0.0
    zfs_pools: tuple[ZfsPoolReading, ...] = ()
    zfs_pools_epoch: float = 0.0
    zfs_details: dict[str, PoolFacts] = {}  # by pool
    thin_pools: tuple[ThinPoolReading, ...] = ()
    thin_pools_epoch: float = 0.0
    disks: tuple[DiskReading, ...] = ()
    disks_epoch: float = 0.0
    smart: dict[str, SmartFacts] = {}  # by device; only where it is wanted
    certificates: tuple[CertificateReading, ...] = ()
    certificates_epoch: float = 0.0
    subscription: SubscriptionReading | None = None
    subscription_epoch: float = 0.0
    updates: tuple[PendingUpdateReading, ...] | None = None  # None: the account may not see them
    updates_epoch: float = 0.0
    history: NodeHistoryReading | None = None
    history_epoch: float = 0.0
    replications: tuple[ReplicationReading, ...] = ()
    replications_epoch: float = 0.0
    time_zone: str = ""
    has_ceph: bool | None = None  # None: it was not asked yet, or could not tell
    clock_ahead_seconds: float | None = None  # of ours, in whole minutes; None: not told


class CredentialFacts(msgspec.Struct, frozen=True, gc=False):
    """When the account by which the instance is asked, or its token, expires; None: never."""

    is_token: bool
    expires_epoch: int | None = None


class NamespaceBackups(msgspec.Struct, frozen=True):
    """One namespace of a datastore: its groups, and the snapshots of each group under `<kind>/<id>`."""

    groups: tuple[BackupGroupReading, ...] = ()
    groups_epoch: float = 0.0
    snapshots: dict[str, tuple[BackupSnapshotReading, ...]] = {}
    snapshots_epoch: float = 0.0  # when those of all groups were read
    is_large: bool = False  # one answer cannot hold them: each group is asked for by itself

    @property
    def size(self) -> int:
        """How many groups and backups are known of it."""
        return len(self.groups) + sum(len(backups) for backups in self.snapshots.values())


class JobHistory(msgspec.Struct, frozen=True, gc=False):
    """Since when a job is known as it is. `changed_epoch` 0: it was there when Pulse first looked, at `noted_epoch`."""

    schedule: str
    changed_epoch: float
    noted_epoch: float


class Facts(Progressing):
    """Everything collected of one instance.

    `version` rises whenever the lists or the judgement over the backups may differ, `touched` with everything that is news.
    """

    instance_version: int = 0
    version: int = 0
    touched: int = 0
    saved_touched: int = 0
    lists_made_from: str = ""  # what the published lists were made from
    saved_epoch: float = 0.0
    saved_bytes: int = 0  # as they were written last
    costs: Costs = {}
    asked_host: str = ""  # the address that all of this is from
    visited_epoch: float = 0.0
    rest_until_epoch: float = 0.0  # the host was kept busy for so long that it is left alone until then
    resting_nodes: dict[
        str, float
    ] = {}  # nodes that did not answer in time, and until when they are left alone
    slowed_epoch: float = 0.0  # when a visit last ended because the host answered slowly
    flaws: dict[str, str] = {}  # what Pulse itself fails at, in words, and the kind of the exception
    job_history: dict[str, JobHistory] = {}  # by "<kind> <id>"
    job_kinds_read: tuple[str, ...] = ()
    permissions: PermissionsReading | None = None
    credential: CredentialFacts | None = None
    credential_epoch: float = 0.0
    server_version: str = ""
    calls: int = 0  # of all visits since the start
    failed_calls: int = 0
    tasks: tuple[TaskReading, ...] = ()  # the newest first; of PBS the last day's
    tasks_epoch: float = 0.0
    # PVE
    guests: dict[int, GuestFacts] = {}
    nodes: dict[str, NodeFacts] = {}
    storages: tuple[StorageConfigReading, ...] = ()
    storages_epoch: float = 0.0
    volumes: dict[StorageKey, tuple[BackupVolumeReading, ...]] = {}
    volumes_epoch: dict[StorageKey, float] = {}
    backup_tasks: dict[str, tuple[TaskReading, ...]] = {}  # vzdump, by node, the newest first
    backup_tasks_epoch: dict[str, float] = {}
    task_results: dict[str, tuple[VzdumpGuestReading, ...]] = {}  # by UPID of a job over several guests
    jobs: tuple[BackupJobReading, ...] = ()
    jobs_epoch: float = 0.0
    job_volumes: dict[str, tuple[JobVolumeReading, ...]] = {}
    uncovered: tuple[UncoveredGuestReading, ...] = ()
    uncovered_epoch: float = 0.0
    ha: HaReading | None = None
    ha_epoch: float = 0.0
    ceph: CephReading | None = None
    ceph_epoch: float = 0.0
    ceph_osds: tuple[CephOsdReading, ...] = ()
    ceph_osds_epoch: float = 0.0
    ceph_pools: tuple[CephPoolReading, ...] = ()
    ceph_pools_epoch: float = 0.0
    ceph_flags: tuple[CephFlagReading, ...] = ()
    ceph_flags_epoch: float = 0.0
    replication_jobs: tuple[ReplicationReading, ...] = ()
    replication_jobs_epoch: float = 0.0
    votes: tuple[VoteReading, ...] = ()
    votes_epoch: float = 0.0
    qdevice: QdeviceReading | None = None  # None: the node that answered runs none
    qdevice_epoch: float = 0.0
    # PBS
    datastore_states: dict[str, DatastoreStateReading] = {}  # by datastore
    datastore_states_epoch: float = 0.0
    datastores_left_out: tuple[str, ...] = ()  # those without figures when the list was read
    namespaces: dict[str, tuple[NamespaceReading, ...]] = {}  # by datastore
    backups: dict[NamespaceKey, NamespaceBackups] = {}
    server_jobs: dict[str, tuple[ServerJobReading, ...]] = {}  # by kind: sync, verify, prune, garbage
    server_jobs_epoch: dict[str, float] = {}
    host: NodeFacts = NodeFacts()  # the server itself

    def guest(self, vmid: int) -> GuestFacts:
        """Return what is known of a guest, nothing when it is not known yet."""
        return self.guests.get(vmid) or NO_GUEST

    def node(self, name: str) -> NodeFacts:
        """Return what is known of a node."""
        return self.nodes.get(name) or NO_NODE

    def note_jobs(self, kind: str, schedules: Mapping[str, str], *, epoch: float) -> None:
        """Note the jobs of a kind with their schedules; one that is new or changed counts from now on."""
        is_first = kind not in self.job_kinds_read
        history = {name: job for name, job in self.job_history.items() if not name.startswith(f"{kind} ")}
        for identity, schedule in schedules.items():
            job = self.job_history.get(f"{kind} {identity}")
            if job is None or job.schedule != schedule:
                job = JobHistory(schedule, 0.0 if is_first else epoch, epoch)
            history[f"{kind} {identity}"] = job
        self.job_history = history
        if is_first:
            self.job_kinds_read = (*self.job_kinds_read, kind)

    def note_flaw(self, what: str, error: Exception | None) -> None:
        """Note that Pulse itself fails at something, or does no longer."""
        kept = {other: kind for other, kind in self.flaws.items() if other != what}
        flaws = kept if error is None else {**kept, what: type(error).__name__}
        if flaws != self.flaws:
            self.flaws = flaws

    def is_news(self, *names: str) -> None:
        """Note that these are other than before."""
        self.touched += 1
        self.version += not JUDGED.isdisjoint(names)

    def set_guest(self, vmid: int, **values: object) -> None:
        """Keep something of a guest."""
        self.guests = {**self.guests, vmid: msgspec.structs.replace(self.guest(vmid), **values)}

    def set_guests(self, told: Mapping[int, Mapping[str, object]]) -> None:
        """Keep something of many guests, as `set_guest` does of one: each by itself would copy all of them as often."""
        changed = {vmid: msgspec.structs.replace(self.guest(vmid), **values) for vmid, values in told.items()}
        self.guests = {**self.guests, **changed}

    def set_node(self, name: str, **values: object) -> None:
        """Keep something of a node."""
        self.nodes = {**self.nodes, name: msgspec.structs.replace(self.node(name), **values)}


NO_GUEST = GuestFacts()
NO_NODE = NodeFacts()
#: Of an instance about which the slow lanes know nothing; nobody may change it.
NOTHING_COLLECTED = Facts()


class FactsOutline(Outline, frozen=True):
    """By what the judgement sees that there is something new; see Facts."""

    version: int = 0


FACTS = Kind("facts", Facts, FactsOutline, in_parts=True, edited={"costs": costs.own})

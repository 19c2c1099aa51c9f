"""Instances as a person configures them, and the verbs that change them while they run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.access import Access
from tests.fake_proxmox.backups import Archive, BackupHistory
from tests.fake_proxmox.building import PveSpec, build_cluster, new_guest
from tests.fake_proxmox.calls import Encoded
from tests.fake_proxmox.figures import Round, Rows
from tests.fake_proxmox.model import BackupServer, Cluster, Guest, Node, Storage
from tests.fake_proxmox.pmg_model import MailGateway
from tests.fake_proxmox.server import FakeServer
from tests.fake_proxmox.tasks import TaskHistory
from tests.fake_proxmox.traffic import Load
from tests.fake_proxmox.verbs_backups import BACKUP_VERBS, BackupVerbs
from tests.fake_proxmox.verbs_cluster import CLUSTER_VERBS, ClusterVerbs
from tests.fake_proxmox.verbs_guests import GUEST_VERBS, GuestVerbs
from tests.fake_proxmox.verbs_pbs import CONTENT_VERBS

if TYPE_CHECKING:
    from tests.fake_proxmox.clock import Clock
    from tests.fake_proxmox.estate import FakeEstate
    from tests.fake_proxmox.site_pbs import PbsSite

#: Encoded answers kept per round: a few callers times a few `type` values.
SHARED_BODIES = 64
_GUEST_FACTS = frozenset(
    {"tags", "pool", "lock", "hastate", "status", "cpus", "memory_bytes", "disk_bytes", "is_template"}
)


class FakeSite:
    """One PVE host, PVE cluster, PBS or PMG with all its listening addresses."""

    def __init__(self, estate: FakeEstate, model: Cluster | BackupServer | MailGateway, seed: int) -> None:
        self.estate = estate
        self.model = model
        self.lock = threading.RLock()
        self.access = Access(model.kind, seed, self.version_of(""))
        self.worker_calls: dict[str, int] = {}
        self.servers: list[FakeServer] = []
        self.load = Load()
        self._bodies: dict[tuple[str, ...], Encoded] = {}
        self._bodies_key: object = None

    @property
    def kind(self) -> str:
        """Product: pve, pbs or pmg."""
        return self.model.kind

    @property
    def name(self) -> str:
        """Name of the cluster or host."""
        return self.model.name

    @property
    def clock(self) -> Clock:
        """Time of the data."""
        return self.estate.clock

    @property
    def url(self) -> str:
        """Address of the first member that listens."""
        return self.first.url

    @property
    def fingerprint(self) -> str:
        """Fingerprint of that member."""
        return self.first.fingerprint

    @property
    def user(self) -> str:
        """User for a login with password."""
        return self.access.user

    @property
    def password(self) -> str:
        """Password of that user."""
        return self.access.password

    @property
    def token_id(self) -> str:
        """Full id of an API token with the auditor's rights."""
        return self.access.token_id

    @property
    def token_value(self) -> str:
        """Secret of that token."""
        return self.access.token_value

    @property
    def first(self) -> FakeServer:
        """The first member that listens, or the first of all."""
        return next((server for server in self.servers if server.is_listening), self.servers[0])

    def server(self, name: str) -> FakeServer:
        """Return the server of a node."""
        return next(server for server in self.servers if server.name == name)

    def round_key(self, now: float) -> tuple[float, int]:
        """Return what tells two rounds of figures apart: when the round began, and the revision of the facts."""
        step = self.estate.refresh_seconds
        return now - now % step, self.model.revision

    def shared_body(self, name: tuple[str, ...], now: float, make: Callable[[], bytes]) -> Encoded:
        """Return an answer that is made once per round; the figures of two rounds never mix."""
        key = self.round_key(now)
        if key != self._bodies_key or len(self._bodies) >= SHARED_BODIES:
            self._bodies = {}
            self._bodies_key = key
        if name not in self._bodies:
            self._bodies[name] = Encoded(make())
        return self._bodies[name]

    def version_of(self, node: str) -> tuple[int, int]:
        """Return major and minor of the release that a node runs."""
        raise NotImplementedError

    def rows(self, now: float) -> Rows:
        """Return the rows of /cluster/resources; only a PVE site has them."""
        raise NotImplementedError

    def pool_of(self, vmid: str) -> str:
        """Return the pool of a guest, empty without one."""
        del vmid
        return ""

    def reset_counters(self, vmid: int | None = None) -> None:
        """Let counters start again at 0; a PBS has none in its answers."""

    def add_token(
        self, name: str, privileges: Mapping[str, Iterable[str]], *, expires_at: float = 0.0
    ) -> tuple[str, str]:
        """Return id and secret of a new token with exactly these privileges (path -> names)."""
        with self.changing():
            return self.access.add_token(name, privileges, expires_at=expires_at)

    def revoke_token(self, token_id: str) -> None:
        """From now on this token is refused."""
        with self.changing():
            self.access.revoke_token(token_id)

    def set_privileges(self, token_id: str, privileges: Mapping[str, Iterable[str]]) -> None:
        """A token or user has exactly these privileges from now on (path -> names)."""
        with self.changing():
            self.access.set_privileges(token_id, privileges)

    def changing(self) -> Change:
        """Return a context in which facts may change."""
        return Change(self)

    def describe(self) -> dict[str, Any]:
        """Return what another process needs to use this instance."""
        return {
            "kind": self.kind,
            "name": self.name,
            "url": self.url,
            "fingerprint": self.fingerprint,
            "user": self.user,
            "password": self.password,
            "tokenId": self.token_id,
            "tokenValue": self.token_value,
            "members": [
                {
                    "name": server.name,
                    "url": server.url,
                    "fingerprint": server.fingerprint,
                    "isDead": not server.is_listening,
                }
                for server in self.servers
            ],
        }


class Change:
    """Holds the site while facts change, and makes the next answer see them."""

    def __init__(self, site: FakeSite) -> None:
        self._site = site

    def __enter__(self) -> None:
        self._site.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._site.model.revision += 1
        self._site.lock.release()


class PveSite(GuestVerbs, BackupVerbs, ClusterVerbs, FakeSite):
    """A PVE host or cluster."""

    model: Cluster

    def __init__(self, estate: FakeEstate, spec: PveSpec, seed: int) -> None:
        model = build_cluster(spec, seed=seed, at=estate.clock.now())
        super().__init__(estate, model, seed)
        for name in (self.user, self.token_id):
            self.access.add_privileges(name, spec.privileges)
        self._round = Round(model)
        self.backups = BackupHistory(model)
        self.tasks = TaskHistory(model, self.backups)
        for node in model.nodes.values():
            if not model.is_cluster:
                node.address = "127.0.0.1"
            self.servers.append(FakeServer(self, node.name, node.address, 0))

    def rows(self, now: float) -> Rows:
        """Return the rows of /cluster/resources at an instant."""
        return self._round.rows(self.round_key(now), now)

    def version_of(self, node: str) -> tuple[int, int]:
        """Return major and minor of the release that a node runs."""
        return self.model.version_of(node).number

    def pool_of(self, vmid: str) -> str:
        """Return the pool of a guest, empty without one."""
        guest = self.model.guests.get(int(vmid)) if vmid.isdigit() else None
        return guest.pool if guest is not None else ""

    def archives(self, storage: Storage, now: float, vmid: int = 0) -> list[Archive]:
        """Return the backups in a storage, of one guest or all; a backup server that is part of the estate is asked."""
        if storage.plugin == "pbs":
            server = self.backup_server_of(storage)
            if server is not None:
                return server.archives_for(self, storage, now, vmid)
        if vmid:
            return self.backups.archives_of(vmid, storage.name, now)
        return self.backups.archives(storage.name, now)

    def backup_server_of(self, storage: Storage) -> PbsSite | None:
        """Return the backup server behind a storage, None if it is not in the estate."""
        wanted = storage.options.get("server")
        return next((site for site in self.estate.sites if site.kind == "pbs" and site.name == wanted), None)

    def guest(self, vmid: int) -> Guest:
        """Return the facts of a guest."""
        return self.model.guests[vmid]

    def node(self, name: str) -> Node:
        """Return the facts of a node."""
        return self.model.nodes[name]

    # Guests.

    def set_metric(self, vmid: int, **fields: Any) -> None:
        """Fix fields of a guest's row, in wire names: `set_metric(101, cpu=0.97, mem=2**30)`."""
        with self.changing():
            self._fresh(vmid).fixed.update(fields)

    def clear_metric(self, vmid: int) -> None:
        """Give a guest's fields and rates back to the curves."""
        with self.changing():
            guest = self._fresh(vmid)
            guest.fixed.clear()
            guest.rated.clear()

    def set_rate(self, vmid: int, **rates: float) -> None:
        """Let counters grow by exactly so many units per second from now on: `set_rate(101, netin=1000)`."""
        with self.changing():
            now = self.clock.now()
            rows = {row["vmid"]: row for row in self.rows(now).guests}
            guest = self._fresh(vmid)
            for key, per_second in rates.items():
                guest.rated[key] = (rows[vmid].get(key, 0), now, per_second)

    def reset_counters(self, vmid: int | None = None) -> None:
        """Let the counters of one guest, or of all, start again at 0 while its uptime goes on."""
        with self.changing():
            for guest in [self.guest(vmid)] if vmid is not None else self.model.guests.values():
                guest.counted_from = self.clock.now()
                guest.row = None
                guest.rated = {key: (0, self.clock.now(), rate) for key, (_, _, rate) in guest.rated.items()}

    def start_guest(self, vmid: int) -> None:
        """The guest runs from now on, with counters at 0."""
        with self.changing():
            guest = self._fresh(vmid)
            now = self.clock.now()
            if guest.stopped_at is not None:
                guest.off_spans.append((guest.stopped_at, now))
            guest.stopped_at = None
            guest.status = "running"
            guest.started_at = guest.counted_from = now

    def stop_guest(self, vmid: int) -> None:
        """The guest is stopped."""
        with self.changing():
            guest = self._fresh(vmid)
            if guest.started_at is not None:
                guest.stopped_at = self.clock.now()
            guest.status = "stopped"
            guest.started_at = None

    def pause_guest(self, vmid: int) -> None:
        """The guest holds its memory and does nothing."""
        with self.changing():
            self._fresh(vmid).status = "paused"

    def migrate_guest(self, vmid: int, node: str) -> None:
        """The guest runs on another node, in a new process: uptime and counters begin again."""
        with self.changing():
            guest = self._fresh(vmid)
            guest.node = self.node(node).name
            if guest.started_at is not None:
                guest.started_at = guest.counted_from = self.clock.now()

    def rename_guest(self, vmid: int, name: str) -> None:
        """The guest has another name."""
        with self.changing():
            self._fresh(vmid).name = name

    def change_guest(self, vmid: int, **facts: Any) -> None:
        """Change facts of a guest: tags, pool, lock, hastate, status, cpus, memory_bytes, disk_bytes, is_template."""
        unknown = facts.keys() - _GUEST_FACTS
        if unknown:
            raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")
        with self.changing():
            guest = self._fresh(vmid)
            for key, value in facts.items():
                setattr(guest, key, value)

    def add_guest(self, vmid: int, name: str, kind: str = "qemu", node: str = "", **size: Any) -> None:
        """A new guest runs, on the first node unless told; `size`: cpus, memory_gib, disk_gib."""
        with self.changing():
            if vmid in self.model.guests:
                raise ValueError(f"guest {vmid} exists")
            place = self.node(node).name if node else next(iter(self.model.nodes))
            self.model.guests[vmid] = new_guest(vmid, name, kind, place, at=self.clock.now(), **size)

    def remove_guest(self, vmid: int) -> None:
        """The guest is gone."""
        with self.changing():
            guest = self.model.guests.pop(vmid)
            guest.departed_at = self.clock.now()
            self.model.departed[vmid] = guest

    def _fresh(self, vmid: int) -> Guest:
        """Return a guest whose row will be made anew."""
        guest = self.guest(vmid)
        guest.row = None
        return guest

    # Nodes and storages.

    def set_node_metric(self, node: str, **fields: Any) -> None:
        """Fix figures of a node's row, in wire names."""
        with self.changing():
            self.node(node).fixed.update(fields)

    def kill_node(self, node: str) -> None:
        """The node is off: it refuses connections; the others say offline, and unknown for its guests after 300 s."""
        with self.changing():
            self.node(node).died_at = self.clock.now()
        self.server(node).stop()

    def revive_node(self, node: str) -> None:
        """The node has just booted, and its guests with it."""
        with self.changing():
            now = self.clock.now()
            facts = self.node(node)
            if facts.died_at is not None:
                facts.off_spans.append((facts.died_at, now))
            facts.died_at = facts.frozen_at = None
            facts.started_at = now
            for guest in self.model.guests.values():
                if guest.node == node and guest.started_at is not None:
                    guest.started_at = guest.counted_from = now
                    guest.row = None
        self.server(node).start()

    def freeze_node(self, node: str) -> None:
        """The pvestatd of the node is silent: its last figures stay for 300 s, then all is unknown."""
        with self.changing():
            self.node(node).frozen_at = self.clock.now()

    def thaw_node(self, node: str) -> None:
        """The pvestatd of the node works again."""
        with self.changing():
            self.node(node).frozen_at = None

    def remove_node(self, node: str) -> None:
        """The node has left the cluster, with its guests; its server stops for good."""
        server = self.server(node)
        server.stop()
        server.release()
        with self.changing():
            del self.model.nodes[node]
            self.model.guests = {
                vmid: guest for vmid, guest in self.model.guests.items() if guest.node != node
            }
            self.model.config_version += 1
            self.servers.remove(server)

    def set_storage(self, name: str, **facts: Any) -> None:
        """Change facts of a storage: total_bytes, used_ratio, is_disabled, inactive_on (nodes that cannot reach it), nodes, options."""
        unknown = facts.keys() - {
            "total_bytes",
            "used_ratio",
            "inactive_on",
            "nodes",
            "is_disabled",
            "options",
        }
        if unknown:
            raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")
        with self.changing():
            for key, value in facts.items():
                setattr(
                    self.model.storages[name],
                    key,
                    frozenset(value) if key in ("inactive_on", "nodes") else value,
                )

    def remove_storage(self, name: str) -> None:
        """The storage is no longer configured."""
        with self.changing():
            del self.model.storages[name]


#: What the control channel may call.
VERBS = frozenset(
    {
        "set_metric",
        "clear_metric",
        "set_rate",
        "reset_counters",
        "start_guest",
        "stop_guest",
        "pause_guest",
        "migrate_guest",
        "rename_guest",
        "change_guest",
        "add_guest",
        "remove_guest",
        "set_node_metric",
        "kill_node",
        "revive_node",
        "freeze_node",
        "thaw_node",
        "remove_node",
        "set_storage",
        "remove_storage",
        "set_datastore",
        "add_datastore",
        "remove_datastore",
        "add_token",
        "set_privileges",
        "revoke_token",
        *GUEST_VERBS,
        *BACKUP_VERBS,
        *CLUSTER_VERBS,
        *CONTENT_VERBS,
    }
)

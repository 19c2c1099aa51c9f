"""What the tests of the live feed share: a publisher, sockets that can stop reading, a clock, and a hub to serve them."""

from __future__ import annotations

import asyncio
import gzip
import json

import msgspec

from monitoring.feed.clients import Client
from monitoring.feed.sockets import Utf8
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.servers import ServerFigures
from monitoring.store import current
from monitoring.wire import lists
from monitoring.wire.backups import BackupTaskShape, Lists, PbsBackupShape
from monitoring.wire.fragments import Fragment, FragmentKey, changes_between, items_of
from monitoring.wire.ids import Label
from monitoring.wire.instances import shapes_of
from monitoring.wire.shapes import ConcernShape
from pulse.lib.auth import Caller

READER = Caller("token", name="reader", token_pk=1)


def shapes_with(name, cpus):
    """Guests 100, 101, ... of a PVE instance with these CPU figures; None leaves one out. All but the first are a concern."""
    guests = tuple(
        GuestFigures(
            100 + number, "qemu", "pve1", "running", f"g{number}", seen_epoch=1767268800.0, cpu_ratio=cpu
        )
        for number, cpu in enumerate(cpus)
        if cpu is not None
    )
    wrong = tuple(concern(name, number, cpu) for number, cpu in enumerate(cpus) if number and cpu)
    return msgspec.structs.replace(shapes_of(Figures(guests=guests), (), Label(name)), concerns=wrong)


def concern(name, number, cpu):
    """Something wrong with a guest, critical when it is busy; as old as it is idle."""
    level = "critical" if cpu > 0.5 else "warning"
    guest = f"{name}-pve1-{100 + number}"
    return ConcernShape(
        f"{name}|{guest}|busy|", name, guest, level, "busy", "", level, f"2026-01-01T11:{cpu * 40:02.0f}:00Z"
    )


def task(name, minute):
    """A backup task that began in this minute of the hour."""
    start = f"2026-01-01T12:{minute:02}:00Z"
    return BackupTaskShape(f"{name}-{minute}", "pve1", "vzdump", 100, "OK", start, start, name, "ok")


def backup(name, minute):
    """A backup on a PBS that was taken in this minute of the hour."""
    taken = f"2026-01-01T12:{minute:02}:00Z"
    return PbsBackupShape(f"pbs-{name}-{minute}", name, "main", "", "vm", "100", taken, 1, False, True)


class Publisher:
    """Publishes fragments of a few instances as the poller does, `lab-1`, `lab-2`, ... unless they are renamed."""

    def __init__(self):
        self.names = {}
        self.shapes = {}
        self.listed = set()
        self.versions = {}

    def publish(self, pk, cpus, *, forgets=False, kind="pve"):
        """Publish the next fragment of an instance; one that `forgets` does not say what has changed."""
        name = self.names.get(pk, f"lab-{pk}")
        if kind == "pve":
            after = shapes_with(name, cpus)
        else:
            health = "healthy" if cpus else "unhealthy"
            after = shapes_of(Figures(server=ServerFigures("offline", health)), (), Label(name, "h"))
        before = self.shapes.get(pk)
        version = self.versions.get(pk, 0) + 1
        based_on = 0 if before is None or forgets else version - 1
        self.shapes[pk], self.versions[pk] = after, version
        current.store().publish(
            Fragment(
                FragmentKey(pk, "resources"),
                version,
                name,
                name if kind == "pve" else f"pbs-{name}",
                True,
                items_of(after, number=pk),
                changes_between(before, after) if based_on else b"{}",
                based_on,
                1767268800.0,
            )
        )

    def publish_lists(self, pk, minutes):
        """Publish the lists of an instance: a task and a backup that began in each of these minutes."""
        self.listed.add(pk)
        name = self.names.get(pk, f"lab-{pk}")
        kept = Lists(
            backupTasks=tuple(task(name, minute) for minute in minutes),
            pbsBackups=tuple(backup(name, minute) for minute in minutes),
        )
        key = FragmentKey(pk, "lists")
        self.versions[key] = self.versions.get(key, 0) + 1
        items = lists.items_of(kept)
        current.store().publish(Fragment(key, self.versions[key], name, name, True, items))

    def swap_names(self, one, other):
        """Give two instances each other's name; it is seen when they are published next."""
        name, other_name = (self.names.get(pk, f"lab-{pk}") for pk in (one, other))
        self.names[one], self.names[other] = other_name, name

    def remove(self, pk):
        """Take an instance out of the state."""
        self.listed.discard(pk)
        self.shapes.pop(pk, None)
        current.store().remove(pk)


class Socket:
    """Stands for a socket: keeps what was sent, and can stop reading."""

    def __init__(self):
        self.frames = []
        self.markers = 0
        self._decoded = 0
        self._messages = []
        self.closed = None
        self.is_cut = False
        self.left_bytes = 0
        self.fails = False
        self.reads = asyncio.Event()
        self.reads.set()

    async def send(self, frame):
        if self.fails:
            raise ConnectionResetError
        self.frames.append(frame)
        await self.reads.wait()

    def unsent_bytes(self):
        return self.left_bytes

    def own_bytes(self, frame):
        return len(frame)

    async def close(self, code):
        self.closed = code

    def abort(self):
        self.is_cut = True

    def messages(self):
        """What was sent, decoded, but for the markers."""
        for frame in self.frames[self._decoded :]:
            is_text = isinstance(frame, str | Utf8)
            message = json.loads(frame if is_text else gzip.decompress(frame))
            if message["type"] == "marker":
                self.markers += 1
            else:
                self._messages.append(message)
        self._decoded = len(self.frames)
        return self._messages

    def kinds(self):
        """The types of what was sent."""
        return [message["type"] for message in self.messages()]

    def cpus(self):
        """The CPU figure of the first guest in each whole state."""
        states = [one["data"] for one in self.messages() if one["type"] in ("initialState", "rawData")]
        return [state["vms"][0]["cpu"] if state["vms"] else None for state in states]


class Clock:
    """Stands for the module `time`; goes on when told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def time(self):
        return 1767268800.0 + self.now


async def always(caller):
    """Every caller may stay."""
    return True


def joined(served, protocol="original", *, address="", caller=READER, may_stay=always):
    """A new client of a hub; its `socket` stands for the peer."""
    client = Client(protocol, Socket(), caller, may_stay, address=address)
    served.join(client)
    return client


async def settled(condition):
    """Let the loop run until the condition holds; the deadline of the test ends a wait in vain."""
    while not condition():
        await asyncio.sleep(0)


async def turned(client):
    """Let the hub do everything that is due by now; seen by two messages to this client, one turn after the other."""
    socket = client.socket
    for _ in range(2):
        socket.messages()
        before = socket.markers
        current.store().broadcast(b'{"type":"marker"}')
        await settled(lambda before=before: bool(socket.messages()) and socket.markers > before)

"""What facts cost in the store of a scale-out, in parts beside all in one value: `python -m benchmarks.redis_facts`.

1,000 guests, 20,000 backup snapshots and 500 questions of one instance, on a redis-server of its own. Processor time of this process,
the median of several runs; that of Redis itself is not in it. At the end: what it takes to learn that ten clusters of 1,000
guests need not be judged again.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("PULSE_DATA_DIR", tempfile.mkdtemp(prefix="pulse-bench-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")

import django

django.setup()

import msgspec
import redis

from monitoring.figures.filesystems import DiskUse, Filesystem
from monitoring.known.costs import Minute
from monitoring.known.facts import FACTS, Facts, GuestFacts, NamespaceBackups
from monitoring.known.lanes import Lane, Progress
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.store.current import KINDS
from monitoring.store.redis import RedisStore
from nodes.proxmox.readings.backup_server import BackupFileReading, BackupGroupReading, BackupSnapshotReading
from nodes.proxmox.readings.guests import (
    AddressReading,
    GuestConfigReading,
    GuestDetailReading,
    GuestDiskReading,
)
from nodes.proxmox.readings.live import GuestReading, ResourcesReading
from tests.scale.servers import RedisServer

GUESTS, SNAPSHOTS_EACH, PLACES, QUESTIONS, CLUSTERS = 1000, 20, 4, 500, 10
AT = 1767268800
RUNS = 15

_encode = msgspec.msgpack.encode
_facts_of = msgspec.msgpack.Decoder(Facts).decode
_memory_of = msgspec.msgpack.Decoder(PollMemory).decode


def guest(vmid: int) -> GuestFacts:
    """A guest with two disks, three file systems and two addresses."""
    disks = tuple(GuestDiskReading(f"scsi{n}", f"ceph:vm-{vmid}-disk-{n}", "ceph", 2**35) for n in range(2))
    return GuestFacts(
        config=GuestConfigReading("ab" * 20, f"app-{vmid}", tags=("prod", "web"), os_type="l26", disks=disks),
        config_epoch=AT,
        snapshots_epoch=AT,
        disk=DiskUse(
            2**34,
            2**35,
            "",
            tuple(Filesystem(f"/srv/{n}", "ext4", f"/dev/sda{n}", 2**33, 2**32, True) for n in range(3)),
        ),
        disk_epoch=AT,
        addresses=(
            AddressReading("eth0", f"10.0.{vmid // 250}.{vmid % 250}"),
            AddressReading("eth0", "fe80::1"),
        ),
        addresses_epoch=AT,
        detail=GuestDetailReading(vmid, "qemu", 2**31, 2**32, 2**30, 2**32),
        detail_epoch=AT,
    )


def place(vmids: range) -> NamespaceBackups:
    """A namespace with backups of these guests."""
    files = tuple(BackupFileReading(f"drive-scsi{n}.img.fidx", 2**32, "encrypt") for n in range(3))
    return NamespaceBackups(
        groups=tuple(
            BackupGroupReading("vm", str(vmid), AT, SNAPSHOTS_EACH, "pulse@pbs!pve") for vmid in vmids
        ),
        groups_epoch=AT,
        snapshots={
            f"vm/{vmid}": tuple(
                BackupSnapshotReading(
                    "vm", str(vmid), AT + n * 86400, 2**33, False, "pulse@pbs!pve", f"app-{vmid}", "ok", AT, files
                )
                for n in range(SNAPSHOTS_EACH)
            )
            for vmid in vmids
        },
        snapshots_epoch=AT,
    )  # fmt: skip


def collected() -> Facts:
    """Everything that there is to know of one instance."""
    each = GUESTS // PLACES
    return Facts(
        guests={vmid: guest(vmid) for vmid in range(100, 100 + GUESTS)},
        backups={
            ("main", f"ns{n}"): place(range(100 + n * each, 100 + (n + 1) * each)) for n in range(PLACES)
        },
        progress={Lane.GUEST_CONFIGURATION: {n: Progress(AT, AT, AT + 7200) for n in range(QUESTIONS)}},
        costs={f"lane {n}": [Minute(minute, 3, 4096, 0.2) for minute in range(60)] for n in range(25)},
    )  # fmt: skip


def after_one_question(facts: Facts, run: int) -> Facts:
    """The facts after a question that found nothing new."""
    facts.note(Lane.GUEST_CONFIGURATION, 7, Progress(AT + run, AT + run, AT + run + 7200))
    facts.visited_epoch = AT + run
    return facts


def after_one_guest(facts: Facts, run: int) -> Facts:
    """The facts after a question about one guest."""
    facts.set_guest(107, config_epoch=float(AT + run))
    return after_one_question(facts, run)


def cost(work: Callable[[Any], object], prepare: Callable[[int], Any] = lambda run: run) -> float:
    """Return the milliseconds of processor time that some work takes, each time after a preparation."""
    taken = []
    for run in range(1, RUNS + 1):
        given = prepare(run)
        gc.collect()
        started = time.process_time()
        work(given)
        taken.append(time.process_time() - started)
    return statistics.median(taken) * 1000


def line(figure: str, whole: float, parts: float) -> None:
    """Print one figure of both."""
    print(f"  {figure:<46}{whole:>10.2f}{parts:>10.2f}{whole / parts:>9.0f} x", flush=True)


def one_instance(url: str) -> None:
    """Print what one instance costs whoever collects and whoever polls."""
    client: Any = redis.Redis.from_url(url)
    collector, poller = RedisStore(url, KINDS), RedisStore(url, KINDS)
    facts, mine = collected(), collected()
    client.set("whole", _encode(facts))
    collector.save(FACTS, mine, of=1)
    key = "whole"

    def load_whole(_: object) -> object:
        return _facts_of(client.get(key))

    def save_whole(given: Facts) -> None:
        client.set(key, _encode(given))

    def saved(change: Callable[[Facts, int], Facts]) -> Callable[[int], None]:
        return lambda run: collector.save(FACTS, change(mine, run), of=1)

    print(f"{'CPU ms':<48}{'one value':>10}{'parts':>10}")
    loads = cost(load_whole)
    line(
        "load, all of it",
        loads,
        cost(lambda store: store.load(FACTS, of=1), lambda run: RedisStore(url, KINDS)),
    )
    poller.load(FACTS, of=1)
    line("load, nothing new", loads, cost(lambda _: poller.load(FACTS, of=1)))
    line(
        "load after one question", loads, cost(lambda _: poller.load(FACTS, of=1), saved(after_one_question))
    )
    line("load after one guest", loads, cost(lambda _: poller.load(FACTS, of=1), saved(after_one_guest)))
    saves = cost(save_whole, lambda run: after_one_question(facts, run))
    line(
        "save, all of it",
        saves,
        cost(lambda store: store.save(FACTS, mine, of=1), lambda run: RedisStore(url, KINDS)),
    )
    collector.save(FACTS, mine, of=1)

    def save(given: Facts) -> None:
        collector.save(FACTS, given, of=1)

    line("save after one question", saves, cost(save, lambda run: after_one_question(mine, -run)))
    line("save after one guest", saves, cost(save, lambda run: after_one_guest(mine, -run)))
    tracemalloc.start()
    decoded = load_whole(None)
    megabytes = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    assert decoded is not None
    print(
        f"  encoded {len(_encode(mine)) / 1e6:.1f} MB; decoded, as remembered by who loads {megabytes:.0f} MB"
    )
    for one in (collector, poller):
        one.close()


def nothing_to_judge(url: str) -> None:
    """Print what it costs to learn that nothing has to be judged again."""
    client: Any = redis.Redis.from_url(url)
    store, pks = RedisStore(url, KINDS), range(1, CLUSTERS + 1)
    facts = msgspec.structs.replace(collected(), backups={})
    guests = tuple(
        GuestReading(100 + n, "qemu", "pve1", "running", f"app-{n}", 0.1, 4) for n in range(GUESTS)
    )
    memory = PollMemory(reading=ResourcesReading(guests=guests))
    for pk in pks:
        client.set(f"whole:{pk}", _encode(facts))
        client.set(f"memory:{pk}", _encode(memory))
        store.save(FACTS, facts, of=pk)
        store.save(MEMORY, memory, of=pk)

    def load_all(_: object) -> None:
        for pk in pks:
            assert _facts_of(client.get(f"whole:{pk}")).guests
            assert _memory_of(client.get(f"memory:{pk}")).listed_mark

    print(f"{CLUSTERS} clusters of {GUESTS:,} guests")
    line(
        "learn that nothing has changed",
        cost(load_all),
        cost(lambda _: store.outlines((MEMORY, FACTS), pks)),
    )
    store.close()


def main() -> None:
    """Start the server, print everything, stop the server."""
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
        server = RedisServer(Path(folder) / "redis")
        try:
            one_instance(server.url)
            nothing_to_judge(server.url)
        finally:
            server.stop()


if __name__ == "__main__":
    main()

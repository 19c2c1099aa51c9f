"""What charts cost: `python -m benchmarks.charts [50] [1000] [10000] [one]`.

An estate whose history is written as polls write it: half an hour of samples that are not sealed yet, behind an hour that is; `one` is a
guest among 32 with two years of it, in the spans that time leaves. Asked over HTTP by a client in a process of its own. The
processor time is that of the serving process; wall times depend on what else the machine does.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Sequence

os.environ.setdefault("PULSE_DATA_DIR", tempfile.mkdtemp(prefix="pulse-bench-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")
os.environ.setdefault("LOG_LEVEL", "error")

import django

django.setup(set_prefix=False)

from django.core.management import call_command
from django.utils import timezone

from benchmarks.years import CODES, MOVING, NIGHT, fill_years, walks
from monitoring.api.charts import usual_points
from monitoring.figures.guest_memory import GuestMemory
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.history import keeping, sealing
from monitoring.history.batches import bytes_of
from monitoring.history.metrics import METRICS, Kind
from monitoring.history.reading import read
from monitoring.history.tiers import DAY
from monitoring.known.head import Instant, Shot
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.store.current import store
from monitoring.wire import fragments
from monitoring.wire.fragments import Fragment, FragmentKey
from monitoring.wire.ids import Label
from monitoring.wire.instances import shapes_of
from nodes.models import Guest, Instance, Node
from pulse.asgi import application
from pulse.runtime.memory import settle_memory
from pulse.runtime.server import Server, listen

GUESTS_EACH = 1000
NODES_EACH = 16
PORT = 17_655
HOUR = 3600
FORMATS = {"contract": "points", "columns": "columns"}
RANGES = {"24h": DAY, "7d": 7 * DAY, "90d": 90 * DAY, "1y": 365 * DAY}
ASK = f"""
import http.client, sys, time
path, times, packed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for _ in range(times):
    client = http.client.HTTPConnection("127.0.0.1", {PORT}, timeout=120)
    begun = time.monotonic()
    client.request("GET", path, headers={{"Accept-Encoding": packed}})
    answer = client.getresponse()
    assert answer.status == 200, answer.read()[:300]
    size = len(answer.read(1))
    first = time.monotonic() - begun
    while part := answer.read(1 << 20):
        size += len(part)
    print(first, time.monotonic() - begun, size)
"""


def add_instance(number: int, guests: int, at_epoch: int) -> tuple[Instance, list[int], list[int]]:
    """Add an instance with guests, as it is after a poll; returns the rows of its guests and of its nodes."""
    at = timezone.now()
    instance = Instance.objects.create(
        kind="pve", number=number, name=f"cluster-{number:02}", host=f"https://192.0.2.{number + 1}:8006"
    )
    names = [f"pve{place}" for place in range(min(NODES_EACH, max(guests // 20, 1)))]
    vmids = range(100, 100 + guests)
    Node.objects.bulk_create([Node(instance=instance, name=name, first_seen_at=at) for name in names])
    Guest.objects.bulk_create(
        [
            Guest(
                instance=instance,
                vmid=vmid,
                kind="qemu",
                node_name=names[vmid % len(names)],
                first_seen_at=at,
            )
            for vmid in vmids
        ],
        batch_size=500,
    )
    figures = Figures(
        nodes=tuple(NodeFigures(name, "online", seen_epoch=at_epoch, cpu_ratio=0.1) for name in names),
        guests=tuple(
            GuestFigures(
                vmid, "qemu", names[vmid % len(names)], "running", f"guest-{vmid}", at_epoch,
                cpu_ratio=0.1, memory=GuestMemory(used_bytes=1 << 30, total_bytes=1 << 32),
            )
            for vmid in vmids
        ),
    ).in_order()  # fmt: skip
    store().save(MEMORY, PollMemory(figures=figures, instance_name=instance.name), of=instance.pk)
    label = Label(instance.name)
    store().publish(
        Fragment(
            FragmentKey(instance.pk, "resources"),
            version=1,
            name=instance.name,
            health_key=instance.name,
            is_healthy=True,
            items=fragments.items_of(shapes_of(figures, (), label), number=number),
        )
    )
    rows = Guest.objects.filter(instance=instance).order_by("pk").values_list("pk", flat=True)
    nodes = Node.objects.filter(instance=instance).order_by("pk").values_list("pk", flat=True)
    return instance, list(rows), list(nodes)


def fill_hour(instance: Instance, guests: Sequence[int], nodes: Sequence[int], at_epoch: int) -> None:
    """Write ninety minutes of samples as polls do, and seal what is a closed hour."""
    start = at_epoch - at_epoch % HOUR - HOUR
    count = (at_epoch - start) // 10
    moving = walks(len(guests) * 5 + len(nodes), count)
    still = bytes_of(array("h", [1000] * len(guests)))
    minute: list[Instant] = []
    for epoch, codes in zip(range(start, at_epoch, 10), moving, strict=True):
        size = len(guests)
        planes = {
            code: bytes_of(array("h", codes[place * size : (place + 1) * size]))
            for place, code in enumerate(MOVING)
        }
        planes |= dict.fromkeys([code for code in CODES if code not in MOVING], still)
        of_nodes = bytes_of(array("h", codes[size * 5 :]))
        shots = {
            int(Kind.GUEST): Shot(tuple(guests), planes),
            int(Kind.NODE): Shot(tuple(nodes), dict.fromkeys(CODES[:5], of_nodes)),
        }
        minute.append(Instant(epoch, shots))
        if epoch % 60 == 50:
            keeping.write(instance.pk, minute)
            minute = []
    for hour in sealing.closed_hours(instance.pk, at_epoch=at_epoch):
        sealing.seal(instance.pk, hour)


def serve() -> None:
    """Serve in this process, on a port of this machine."""

    async def nothing() -> None:
        pass

    server = Server(application, on_stop=nothing)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    threading.Thread(target=server.serve_until_stopped, args=[listen("127.0.0.1", PORT)], daemon=True).start()


def megabytes(name: str) -> float:
    """Return a figure of the memory of this process."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


def asked(path: str, *, times: int = 5, packed: str = "identity") -> str:
    """Return what a request takes: first byte, whole (the quickest of some), processor time, length, and how much more memory."""
    with open("/proc/self/clear_refs", "w") as references:
        references.write("5")  # forget the peak
    before, spent = megabytes("VmRSS"), time.process_time()
    done = subprocess.run(
        [sys.executable, "-c", ASK, path, str(times), packed], check=True, capture_output=True, text=True
    )
    spent = (time.process_time() - spent) / times
    told = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    first, whole = min(one[0] for one in told), min(one[1] for one in told)
    more = megabytes("VmHWM") - before
    return (
        f"first byte {first * 1000:7.0f} ms, whole {whole * 1000:7.0f} ms, CPU {spent * 1000:7.0f} ms, "
        f"{told[0][2] / 1e6:7.2f} MB, memory +{more:.0f} MB"
    )


def many(guests: int, at_epoch: int) -> None:
    """Measure an hour of all guests."""
    for number in range(max(guests // GUESTS_EACH, 1)):
        instance, rows, nodes = add_instance(number, min(guests, GUESTS_EACH), at_epoch)
        fill_hour(instance, rows, nodes, at_epoch)
    settle_memory()  # as the program does a minute after it has begun
    points, times = usual_points(guests), 5 if guests <= GUESTS_EACH else 2
    print(f"{guests:,} guests, one hour, {points} points", flush=True)
    for name, form in FORMATS.items():
        path = f"/api/charts?start={at_epoch - HOUR}&end={at_epoch}&format={form}"
        for packed in ("identity", "gzip"):
            print(f"  {name:9} {packed:8} {asked(path, packed=packed, times=times)}", flush=True)


def one(at_epoch: int) -> None:
    """Measure one guest among those of its block."""
    instance, rows, nodes = add_instance(0, 32, at_epoch)
    fill_hour(instance, rows, nodes, at_epoch)
    fill_years(instance, rows, at_epoch)
    pk = rows[7]
    settle_memory()
    print("one guest of 32, 500 points; a night of eight hours at 10 s: 2,880", flush=True)
    for name, seconds in {"night": NIGHT, **RANGES}.items():
        points = NIGHT // 10 if name == "night" else 500

        def at_the_store(seconds: int = seconds, points: int = points) -> object:
            wanted = {Kind.GUEST: ([pk], METRICS[Kind.GUEST])}
            start = at_epoch - seconds
            return read(instance.pk, wanted, start_epoch=start, end_epoch=at_epoch, points=points)

        wall, spent = quickest(at_the_store)
        print(f"  {name:5} at the store {wall:6.0f} ms, CPU {spent:6.0f} ms", flush=True)
        span = f"start={at_epoch - seconds}&end={at_epoch}&points={points}"
        path = f"/api/resources/cluster-00-pve0-107/history?{span}"
        print(f"        over HTTP {asked(path)}", flush=True)


def quickest(work: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """Return wall and processor milliseconds of the quickest of some tries."""
    found = []
    for _ in range(times):
        wall, spent = time.perf_counter(), time.process_time()
        work()
        found.append(((time.perf_counter() - wall) * 1000, (time.process_time() - spent) * 1000))
    return min(one[0] for one in found), min(one[1] for one in found)


def main() -> None:
    """Measure what is named, each in a process with a database of its own."""
    chosen = sys.argv[1:] or ["50", "1000", "10000", "one"]
    if len(chosen) > 1:
        # Each makes a data directory of its own.
        environment = {name: value for name, value in os.environ.items() if name != "PULSE_DATA_DIR"}
        for name in chosen:
            subprocess.run([sys.executable, "-m", "benchmarks.charts", name], check=True, env=environment)
        return
    random.seed(1)
    call_command("migrate", verbosity=0)
    # Half an hour after the last closed one.
    at_epoch = int(time.time()) // HOUR * HOUR - HOUR + 1800
    serve()
    if chosen == ["one"]:
        one(at_epoch)
    else:
        many(int(chosen[0]), at_epoch)


if __name__ == "__main__":
    main()

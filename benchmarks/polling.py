"""CPU of one polling cycle by stage, for 10 clusters of 16 nodes and 1,000 guests, without network and database.

`.venv/bin/python -m benchmarks.polling [clusters] [guests per cluster]`
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("PULSE_DATA_DIR", tempfile.mkdtemp(prefix="pulse-bench-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")

import django

django.setup()

import msgspec

from monitoring.feed.state import WholeState
from monitoring.known.memory import PollMemory
from monitoring.polling.pve_picture import picture_of
from monitoring.wire import fragments
from monitoring.wire.fragments import Fragment, FragmentKey
from monitoring.wire.ids import Label
from monitoring.wire.instances import shapes_of
from monitoring.wire.shapes import Shapes
from nodes.models import Instance
from nodes.proxmox import pve as calls
from nodes.proxmox.plain import plain_rows
from pulse.lib.gzipping import compress


def body(nodes: int, guests: int, step: int) -> bytes:
    """A /cluster/resources answer whose figures move with every step."""
    rows: list[dict[str, Any]] = [
        {"id": f"node/pve{n}", "type": "node", "node": f"pve{n}", "status": "online", "cpu": 0.1 + n / 100 + step / 1000,
         "maxcpu": 64, "mem": 2**37 + step, "maxmem": 2**39, "disk": 2**33, "maxdisk": 2**36, "uptime": 10**6 + 10 * step}
        for n in range(nodes)
    ]  # fmt: skip
    rows += [
        {"id": f"qemu/{100 + g}", "type": "qemu", "vmid": 100 + g, "name": f"guest-{g}", "node": f"pve{g % nodes}",
         "status": "running", "cpu": (g % 97) / 100 + step / 10000, "maxcpu": 4, "mem": 2**31 + g + step, "maxmem": 2**32,
         "disk": 0, "maxdisk": 2**35, "netin": 10**9 + g * step, "netout": 10**8 + g * step, "diskread": 10**7 * step,
         "diskwrite": 10**6 * step, "uptime": 10**5 + 10 * step, "template": 0, "tags": "prod;web", "pool": "a"}
        for g in range(guests)
    ]  # fmt: skip
    rows += [
        {"id": f"storage/pve{n}/local", "type": "storage", "storage": "local", "node": f"pve{n}", "status": "available",
         "plugintype": "dir", "content": "iso,backup", "shared": 0, "disk": 2**35 + step, "maxdisk": 2**38}
        for n in range(nodes)
    ]  # fmt: skip
    return msgspec.json.encode({"data": rows})


def main(clusters: int = 10, guests: int = 1000) -> None:
    """Run three cycles and print the stages of the last one."""
    stages: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.process_time()
        result = work()
        stages[name] = stages.get(name, 0.0) + time.process_time() - started
        return result

    whole = WholeState(started_epoch=0.0)
    memories = [PollMemory() for _ in range(clusters)]
    published: dict[FragmentKey, Fragment] = {}
    shown: dict[int, Shapes] = {}
    for step in range(1, 4):
        stages.clear()
        bodies = [body(16, guests, step) for _ in range(clusters)]
        for number, (memory, raw) in enumerate(zip(memories, bodies, strict=True)):
            instance = Instance(
                pk=number + 1, number=number, kind="pve", name=f"cluster-{number:02}", host="https://h"
            )
            data = timed("parse JSON", lambda raw=raw: plain_rows(raw))
            readings = timed("readings", lambda data=data: calls.read_cluster_resources(data))
            picture = timed(
                "figures and concerns",
                lambda i=instance, r=readings, m=memory, s=step: picture_of(
                    i, r, m, at_epoch=s * 10.0, interval=10.0
                ),
            )
            after: Shapes = timed(
                "spelling",
                lambda p=picture, i=instance: shapes_of(p.figures, p.concerns, Label(i.name, i.host)),
            )
            items = timed("encode", lambda a=after, n=number: fragments.items_of(a, number=n))
            before = shown.get(number, Shapes())
            changes = timed("changes", lambda b=before, a=after: fragments.changes_between(b, a))
            memory.figures, shown[number] = picture.figures, after
            key = FragmentKey(instance.pk, "resources")
            published[key] = Fragment(key, step, instance.name, instance.name, True, items, changes)
        document = timed("join", lambda: whole.document(published))
        timed("compress state", document.gzipped)
        timed("compress changes", lambda: [compress(one.changes) for one in published.values()])
    print(f"{clusters} clusters, {clusters * guests:,} guests: CPU ms per cycle")
    for name, seconds in stages.items():
        print(f"  {name:22}{seconds * 1000:8.1f}")
    print(f"  {'total':22}{sum(stages.values()) * 1000:8.1f}")
    sizes = [len(one.changes) for one in published.values()]
    print(
        f"  state {len(document.body):,} bytes, gzip {len(document.gzipped()):,}; changes {sum(sizes):,} bytes"
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))

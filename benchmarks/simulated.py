"""The estates of the benchmarks as a child process: `python -m benchmarks.simulated S|M|L|number [latency in ms]`."""

from __future__ import annotations

import json
import signal
import sys
import threading

from tests.fake_proxmox import FakeEstate, PbsSpec, PveSpec

#: size -> clusters, nodes in each, guests in each, backup servers
SIZES = {"S": (1, 3, 50, 1), "M": (4, 8, 250, 2), "L": (10, 16, 1_000, 4)}
#: A number instead of a size is so many hosts of one node.
GUESTS_OF_SMALL_HOSTS = 60


def specs(size: str) -> list[PveSpec | PbsSpec]:
    """Return the instances of a size."""
    if size.isdigit():
        return [
            PveSpec(
                name=f"host-{number:02d}",
                nodes=1,
                guests=GUESTS_OF_SMALL_HOSTS,
                node_prefix=f"h{number:02d}-n",
                agents=0,
            )
            for number in range(1, int(size) + 1)
        ]
    clusters, nodes, guests, backup_servers = SIZES[size]
    hosts: list[PveSpec | PbsSpec] = [
        PveSpec(
            name=f"cluster-{number:02d}",
            nodes=nodes,
            guests=guests,
            node_prefix=f"c{number:02d}-n",
            agents=0,  # the reference asks none; tests/monitoring/test_slow_budget.py has 300
        )
        for number in range(1, clusters + 1)
    ]
    return [*hosts, *(PbsSpec(name=f"vault-{number}") for number in range(1, backup_servers + 1))]


def main(size: str = "S", latency_ms: str = "20") -> None:
    """Serve until SIGTERM; one line of JSON per instance says where."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with FakeEstate(*specs(size), latency_ms=float(latency_ms), control_port=0) as estate:
        for line in estate.describe():
            print(json.dumps(line), flush=True)
        ended.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])

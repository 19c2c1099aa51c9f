"""What all lanes together ask of a large cluster: `python -m benchmarks.lanes [minutes]`, in simulated time.

10 nodes, 500 guests, 300 of them with an agent, 10 storages with backups. Requests are counted by the simulated hosts. After one
hour in larger steps, in which everything is read once, each ten seconds are looked at.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise

os.environ["PULSE_DATA_DIR"] = tempfile.mkdtemp(prefix="pulse-bench-")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")

import django

django.setup()

from django.core.management import call_command

from monitoring.collecting import run
from monitoring.polling import polls
from pulse.lib import sealed
from tests.factories import make_instance
from tests.fake_proxmox import PveSpec
from tests.fake_proxmox.fixtures import virtual_estate

SPEC = PveSpec(
    name="lab", nodes=10, guests=500, agents=300, backup_storages=10, version="9.2",
    privileges=("Datastore.Allocate",),
)  # fmt: skip
FIRST_HOUR, STEP_SECONDS = 45, 80


def main(minutes: int = 25) -> None:
    """Run the hour, then the minutes, and print the counters."""
    call_command("migrate", verbosity=0)
    sealed.keys_in_order()
    logging.disable(logging.WARNING)
    with virtual_estate(SPEC, seed=7) as estate:
        site = estate.site("lab")
        instance = make_instance(
            host=site.url, token_id=site.token_id, token_value=site.token_value, fingerprint=site.fingerprint
        )
        at = datetime(2026, 1, 1, 12, tzinfo=UTC)

        def turn(seconds: int) -> int:
            nonlocal at
            at += timedelta(seconds=seconds)
            estate.clock.advance(seconds)
            polls.poll(instance.pk, at)
            run.collect(instance.pk, at)
            return sum(server.traffic.snapshot()["total"] for server in site.servers)

        for _ in range(FIRST_HOUR):
            turn(STEP_SECONDS)
        for server in site.servers:
            server.traffic.reset()
        sums = [0, *(turn(10) for _ in range(minutes * 6))]
        traffic = [server.traffic.snapshot() for server in site.servers]
    each = sorted(after - before for before, after in pairwise(sums))
    statuses: dict[str, int] = {}
    for one in traffic:
        for status, count in one["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    peak = max(count for one in traffic for count in one["inFlightPeak"].values())
    print(
        f"all lanes, 10 nodes, 500 guests, 300 agents, 10 backup storages, {minutes} minutes after one hour"
    )
    print(
        f"  requests per 10 s     median {each[len(each) // 2]}, most {each[-1]}, average {sums[-1] / len(each):.1f}   to stay under 25"
    )
    print(f"  answers by status     {statuses}")
    print(f"  in flight on one node {peak}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))

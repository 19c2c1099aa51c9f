"""Run an estate until SIGTERM: `python -m tests.fake_proxmox --estate demo`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence

from tests.fake_proxmox import estates
from tests.fake_proxmox.building import Spec
from tests.fake_proxmox.estate import FakeEstate


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code, after a signal to end."""
    options = _parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    estate = FakeEstate(
        *_specs(options),
        seed=options.seed,
        latency_ms=options.latency_ms,
        refresh_seconds=options.refresh_seconds,
        base_port=options.base_port,
        control_port=options.control_port,
    )
    try:
        estate.start()
    except OSError as error:
        print(f"cannot listen: {error}", file=sys.stderr)
        return 1
    for line in estate.describe():
        print(json.dumps(line), flush=True)
    ended.wait()
    estate.stop()
    return 0


def _specs(options: argparse.Namespace) -> tuple[Spec, ...]:
    if options.estate == "large":
        return estates.large(options.clusters, options.nodes, options.guests, hostile=options.hostile)
    make = {
        "demo": estates.demo,
        "homelab": estates.homelab,
        "limited": estates.limited,
        "cluster": estates.cluster,
        "mail": estates.mail,
    }[options.estate]
    return make(hostile=options.hostile)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fake_proxmox", description=__doc__)
    parser.add_argument(
        "--estate", choices=("demo", "homelab", "limited", "cluster", "large", "mail"), default="demo"
    )
    parser.add_argument(
        "--base-port", type=int, default=0, help="of the first instance; 0: the system chooses"
    )
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--refresh-seconds", type=float, default=10.0)
    parser.add_argument("--hostile", action="store_true", help="every text a person can write is a payload")
    parser.add_argument(
        "--json", action="store_true", help="one JSON line per instance (the only form there is)"
    )
    for name, default in (("clusters", 10), ("nodes", 16), ("guests", 1_000)):
        parser.add_argument(f"--{name}", type=int, default=default, help="of --estate large")
    return parser


if __name__ == "__main__":
    sys.exit(main())

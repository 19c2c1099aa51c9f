"""How soon a change on a host is at every client: `python -m benchmarks.latency [instances] [changes] [apart]`.

One process of `pulse run` watches simulated hosts of 60 guests each. Guests get another name one after the other; the name is looked for
in `/api/state`, in what a client of the original protocol gets, and in what one gets that takes changes. `apart` is how many seconds
lie between the instances when they are added: 0 for all at once. What is told is wall time, as a client sees it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from websockets.asyncio.client import connect

from benchmarks.estate import Estate, add_all, cpu_seconds, is_whole, simulated
from benchmarks.simulated import GUESTS_OF_SMALL_HOSTS
from tests.process.running import PulseProcess, until

#: No multiple of anything: changes meet every moment of an interval.
BETWEEN_CHANGES_SECONDS = 0.73
LOOK_SECONDS = 0.02
LAST_SECONDS = 30.0
SETTLE_SECONDS = 25.0
PLACES = ("changed", "/api/state", "rawData", "changes")


class Sightings:
    """When each name was first seen in each place, in monotonic seconds."""

    def __init__(self) -> None:
        self.times: dict[str, dict[str, float]] = {}
        self.states = 0  # that the client of the original protocol got
        self.ended = threading.Event()

    def change(self, name: str) -> None:
        """Note that the host has the name from now on."""
        self.times[name] = {"changed": time.monotonic()}

    def look(self, place: str, content: bytes) -> None:
        """Note the names that are in what came."""
        now = time.monotonic()
        for name, seen in tuple(self.times.items()):
            if place not in seen and name.encode() in content:
                seen[place] = now

    @property
    def is_complete(self) -> bool:
        """Whether every name was seen everywhere."""
        return all(len(seen) == len(PLACES) for seen in self.times.values())


def ask_again_and_again(pulse: PulseProcess, sightings: Sightings) -> None:
    """Look at `/api/state` whenever it is another."""
    connection, etag = http.client.HTTPConnection("127.0.0.1", pulse.port, timeout=30), ""
    while not sightings.ended.wait(LOOK_SECONDS):
        connection.request("GET", "/api/state", headers={"If-None-Match": etag})
        answer = connection.getresponse()
        body, etag = answer.read(), answer.headers.get("ETag", etag)
        if answer.status == 200:
            sightings.look("/api/state", body)


async def follow(pulse: PulseProcess, sightings: Sightings) -> None:
    """Look at what both protocols bring, until the end."""

    async def original() -> None:
        async with connect(f"ws://127.0.0.1:{pulse.port}/ws", max_size=None, compression=None) as socket:
            async for frame in socket:
                content = str(frame).encode()
                sightings.states += content.startswith(b'{"type":"rawData"')
                sightings.look("rawData", content)

    async def delta() -> None:
        protocols = ["pulse.delta.v1"]
        async with connect(
            f"ws://127.0.0.1:{pulse.port}/ws", subprotocols=protocols, max_size=None, compression=None
        ) as socket:
            async for frame in socket:
                sightings.look("changes", gzip.decompress(bytes(frame)))

    clients = [asyncio.create_task(original()), asyncio.create_task(delta())]
    await asyncio.to_thread(sightings.ended.wait)
    for client in clients:
        client.cancel()


@contextlib.contextmanager
def watching(pulse: PulseProcess) -> Iterator[Sightings]:
    """Look at all places inside the block."""
    sightings = Sightings()
    threads = [
        threading.Thread(target=ask_again_and_again, args=(pulse, sightings)),
        threading.Thread(target=lambda: asyncio.run(follow(pulse, sightings))),
    ]
    for thread in threads:
        thread.start()
    try:
        yield sightings
    finally:
        sightings.ended.set()
        for thread in threads:
            thread.join()


def rename_one_after_the_other(
    pulse: PulseProcess, estate: Estate, sightings: Sightings, changes: int
) -> None:
    """Give guests of all hosts in turn another name, no guest twice."""
    state = pulse.state()
    shown: dict[str, list[int]] = {}
    for guest in state["vms"] + state["containers"]:
        shown.setdefault(guest["instance"], []).append(guest["vmid"])
    hosts = [told["name"] for told in estate.instances]
    for number in range(changes):
        name, host = f"renamed-{number:04d}", hosts[number % len(hosts)]
        sightings.change(name)
        estate.ask(
            "POST", "/verb", {"verb": "rename_guest", "site": host, "name": name, "vmid": shown[host].pop()}
        )
        time.sleep(BETWEEN_CHANGES_SECONDS)


def add_apart(pulse: PulseProcess, estate: Estate, seconds: float) -> None:
    """Configure the instances with a pause after each."""
    everything = estate.instances
    for told in everything:
        estate.instances = [told]
        add_all(pulse, estate)
        time.sleep(seconds)
    estate.instances = everything


def main(instances: str = "1", changes: str = "50", apart: str = "0") -> None:
    """Print the distributions."""
    with (
        tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder,
        simulated(instances) as estate,
        PulseProcess(Path(folder) / "data") as pulse,
    ):
        pulse.healthy()
        add_apart(pulse, estate, float(apart))
        guests = int(instances) * GUESTS_OF_SMALL_HOSTS
        until(lambda: is_whole(pulse, estate, guests), seconds=120, what="all guests")
        time.sleep(SETTLE_SECONDS)
        with watching(pulse) as sightings:
            begun, used = time.monotonic(), cpu_seconds(pulse)
            rename_one_after_the_other(pulse, estate, sightings, int(changes))
            until(lambda: sightings.is_complete, seconds=LAST_SECONDS, what="every name is everywhere")
            spent, used = time.monotonic() - begun, cpu_seconds(pulse) - used
        print(f"\n{instances} instances, {changes} changes, added {apart} s apart")
        told(sightings)
        line(
            "whole states in 10 s; CPU s in 10 s",
            f"{sightings.states / spent * 10:.1f}; {used / spent * 10:.2f}",
        )


def told(sightings: Sightings) -> None:
    """Print what was seen when."""
    print(f"  {'seconds':<48}{'least':>8}{'median':>8}{'90 %':>8}{'most':>8}")
    for before, after in (
        ("changed", "/api/state"),
        ("changed", "rawData"),
        ("changed", "changes"),
        ("/api/state", "rawData"),
        ("/api/state", "changes"),
    ):
        spread(f"from {before} to {after}", between(sightings, before, after))


def between(sightings: Sightings, before: str, after: str) -> list[float]:
    """Return how long after one place the other had each name; below zero where it had it first."""
    return sorted(seen[after] - seen[before] for seen in sightings.times.values())


def spread(figure: str, seconds: list[float]) -> None:
    """Print a distribution."""
    figures: list[Callable[[list[float]], float]] = [min, median, lambda all: quantiles(all, n=10)[-1], max]
    line(figure, "".join(f"{of(seconds):>8.2f}" for of in figures))


def line(figure: str, value: str) -> None:
    """Print one figure."""
    print(f"  {figure:<48}{value}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

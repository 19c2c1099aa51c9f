"""Read back the records of a whole cluster: `.venv/bin/python -m benchmarks.backfill [guests] [nodes] [kill at, percent]`.

A simulated cluster over HTTPS, in a process of its own; `pulse run` with an empty data directory is killed in the middle and started
again. Processor time, memory and what was written are the system's own counts; what was asked, and how much of it at once, is counted by
the simulated nodes; missed intervals are those that lack in the samples that were kept. Wall times depend on what else the machine does.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.estate import cpu_seconds, pss_megabytes
from benchmarks.lasting import MIB, written_bytes
from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.running import PulseProcess, until

INTERVAL_SECONDS = 10
LONGEST_SECONDS = 3_600
#: Of so many guests the records are compared with the charts.
COMPARED = 40
#: What a minute costs when nothing is read back any more is measured for so long.
AFTER_SECONDS = 60
#: The charts of all guests are waited for so long.
CHARTS_SECONDS = 120
#: range -> the timeframe that tells of all of it
RANGES = {"7d": "month", "1y": "year"}


class Look(NamedTuple):
    """What is seen of the process and of the reading at an instant."""

    at: float
    cpu: float
    memory: float
    written: float
    done: int
    total: int


def main(guests: int = 1_000, nodes: int = 16, kill_percent: int = 50) -> None:
    """Run it and print the figures."""
    options = ("--clusters", "1", "--nodes", str(nodes), "--guests", str(guests))
    with (
        tempfile.TemporaryDirectory(prefix="pulse-backfill-") as folder,
        FakeProcess("large", *options) as fake,
    ):
        data_dir = Path(folder) / "data"
        print(f"{nodes} nodes, {guests:,} guests; load {os.getloadavg()[0]:.1f}", flush=True)
        with PulseProcess(data_dir) as pulse:
            pulse.healthy()
            status, answer = pulse.request("POST", "/api/config/nodes", connection(fake.instances[0]))
            assert status == 201, answer
            first = watched(pulse, until_percent=kill_percent)
            pulse.kill()
        killed_at, before = time.time(), calls(fake)
        with PulseProcess(data_dir) as pulse:
            pulse.healthy()
            second = watched(pulse)
            ended_at = time.time()
            tell(first, second)
            tell_calls(fake, before)
            tell_cost(second, resting(pulse))
            line("memory afterwards (PSS)", f"{pss_megabytes(pulse):.0f} MB")
            for name, frame in RANGES.items():
                tell_fullness(pulse, fake, name, frame)
            pulse.end()
        tell_kept(data_dir, killed_at, ended_at)
    print(f"load {os.getloadavg()[0]:.1f}")


# --- While it reads ---------------------------------------------------------------------------------------------------


def look(pulse: PulseProcess) -> Look | None:
    """Return what is seen now, None before anything is ordered."""
    status, answer = pulse.request("GET", "/api/history/backfills")
    added = [one for one in answer["backfills"] if one["reason"] == "added"] if status == 200 else []
    if not added:
        return None
    assert added[0]["state"] in ("waiting", "running", "done"), added[0]
    assert not added[0]["failed"], added[0]
    return Look(
        time.monotonic(),
        cpu_seconds(pulse),
        pss_megabytes(pulse),
        written_bytes(pulse) / MIB,
        added[0]["done"],
        added[0]["total"] if added[0]["state"] != "done" else added[0]["done"],
    )


def watched(pulse: PulseProcess, *, until_percent: int = 100) -> list[Look]:
    """Return what was seen every second until so much is read."""
    looks: list[Look] = []

    def is_there() -> bool:
        time.sleep(1)
        one = look(pulse)
        if one is not None:
            looks.append(one)
        return one is not None and one.total > 0 and 100 * one.done >= until_percent * one.total

    until(is_there, seconds=LONGEST_SECONDS, what=f"{until_percent} % are read")
    return looks


def resting(pulse: PulseProcess) -> float:
    """Return the processor time of a second when nothing is read back."""
    begun, cpu = time.monotonic(), cpu_seconds(pulse)
    time.sleep(AFTER_SECONDS)
    return (cpu_seconds(pulse) - cpu) / (time.monotonic() - begun)


def calls(fake: FakeProcess) -> Counter[str]:
    """Return how often each guest and storage was asked for its records, at whichever member.

    A node is left out: the slow lanes ask it for its newest figures by the same path.
    """
    asked: Counter[str] = Counter()
    for server in fake.request("GET", "/traffic").values():
        requests = server["requests"].items()
        asked.update({path: n for path, n in requests if path.endswith("/rrddata") and path.count("/") > 3})
    return asked


# --- What came of it --------------------------------------------------------------------------------------------------


def tell(first: list[Look], second: list[Look]) -> None:
    """Print the course of both processes."""
    for name, looks in (("before the kill", first), ("after it", second)):
        begin, end = looks[0], looks[-1]
        seconds, done = end.at - begin.at, end.done - begin.done
        line(f"objects read {name}", f"{done:,} in {seconds:,.0f} s, {end.done:,} of {end.total:,}")
        line("  processor time, all of Pulse", f"{end.cpu - begin.cpu:.1f} s")
        line("  memory, most (PSS)", f"{max(one.memory for one in looks):.0f} MB")
        line("  written to disk", f"{end.written - begin.written:.0f} MB")
    line("read when killed, and after it", f"{first[-1].done:,} -> {second[0].done:,}")


def tell_cost(looks: list[Look], rest: float) -> None:
    """Print what an object costs, without what Pulse costs anyway; the slow lanes begin anew after a start, so of the second half."""
    half = looks[len(looks) // 2 :]
    begin, end = half[0], half[-1]
    spent = end.cpu - begin.cpu - rest * (end.at - begin.at)
    line("processor time when nothing is read", f"{rest:.3f} s a second")
    line("processor time of an object", f"{spent / max(1, end.done - begin.done):.3f} s")


def tell_calls(fake: FakeProcess, before: Counter[str]) -> None:
    """Print how the nodes were asked."""
    every = calls(fake)
    usual = Counter(every.values()).most_common(1)[0][0]
    again = {path for path, count in every.items() if count > usual}
    late = {path for path, count in every.items() if before[path] and count > before[path]}
    assert again <= late, "something is asked again that no kill has cut off"
    peaks = fake.request("GET", "/load")[fake.instances[0]["name"]]
    line("calls for guests and storages", f"{every.total():,}, {usual} of an object")
    line("objects asked again after the kill", f"{len(late)}")
    line("calls in flight on one node, most", str(max(peaks.values())))


def tell_fullness(pulse: PulseProcess, fake: FakeProcess, name: str, frame: str) -> None:
    """Print how much of what the hosts have the charts show: of some guests, bucket by bucket."""
    begun = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", pulse.port, timeout=CHARTS_SECONDS)
    client.request("GET", f"/api/charts?range={name}&format=columns")
    charts = json.loads(client.getresponse().read())
    client.close()
    seconds = time.monotonic() - begun
    recorded = shown = 0
    for identity in sorted(charts["data"])[:: max(1, len(charts["data"]) // COMPARED)]:
        guest = next(one for one in guests_of(pulse) if one["id"] == identity)
        spans = recorded_spans(fake, guest, frame)
        column = charts["data"][identity].get("cpu", [None] * charts["count"])
        for number, value in enumerate(column):
            start = charts["start"] // 1000 + number * charts["step"]
            if any(begin < start + charts["step"] and end > start for begin, end in spans):
                recorded += 1
                shown += value is not None
    points = [value for one in charts["data"].values() for value in one.get("cpu", ())]
    known = sum(value is not None for value in points) / max(1, len(points))
    line(
        f"range {name}",
        f"{len(charts['data']):,} guests, {charts['count']} points of {charts['step']} s, {seconds:.2f} s",
    )
    line("  points of CPU that are known", f"{100 * known:.1f} %")
    line("  of those that hosts have records of", f"{100 * shown / max(1, recorded):.1f} % of {recorded:,}")


_state: dict[int, list[dict[str, Any]]] = {}


def guests_of(pulse: PulseProcess) -> list[dict[str, Any]]:
    """Return the guests of the state, asked for once."""
    if pulse.port not in _state:
        state = pulse.state()
        _state[pulse.port] = [*state["vms"], *state["containers"]]
    return _state[pulse.port]


def recorded_spans(fake: FakeProcess, guest: dict[str, Any], frame: str) -> list[tuple[int, int]]:
    """Return begin and end of each row of a guest in which its CPU is told."""
    told = fake.instances[0]
    client = http.client.HTTPSConnection(
        told["url"].removeprefix("https://"), context=ssl._create_unverified_context(), timeout=30
    )
    kind = "lxc" if guest["type"] in ("lxc", "container") else "qemu"
    path = f"/api2/json/nodes/{guest['node']}/{kind}/{guest['vmid']}/rrddata?timeframe={frame}&cf=AVERAGE"
    client.request(
        "GET", path, headers={"Authorization": f"PVEAPIToken={told['tokenId']}={told['tokenValue']}"}
    )
    rows = json.loads(client.getresponse().read())["data"]
    client.close()
    return [(before["time"], row["time"]) for before, row in pairwise(rows) if "cpu" in row]


def tell_kept(data_dir: Path, killed_at: float, ended_at: float) -> None:
    """Print what is in the database: intervals without a sample, and values by source."""
    os.environ["PULSE_DATA_DIR"] = str(data_dir)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")
    import django

    django.setup()
    from monitoring.choices import SpanSource
    from monitoring.history.blocks import unpack
    from monitoring.history.sampled import samples
    from monitoring.history.scales import UNKNOWN
    from monitoring.models import HistoryBlock, HistorySpan
    from nodes.models import Instance

    instance = Instance.objects.get()
    epochs = sorted({one.epoch for one in samples(instance.pk, start_epoch=0, end_epoch=int(ended_at))})
    apart = [(after - before, before) for before, after in pairwise(epochs)]
    across = [gap for gap, before in apart if before <= killed_at < before + gap]
    lived = [gap for gap, before in apart if not before <= killed_at < before + gap]
    line("live samples while it was read", f"{len(epochs)}, at most {max(lived)} s apart")
    line("intervals that were missed", str(sum(round(gap / INTERVAL_SECONDS) - 1 for gap in lived)))
    line("without samples across the kill", f"{across[0] if across else 0} s")
    spans = HistorySpan.objects.filter(source=SpanSource.PROXMOX)
    counted = 0
    for body in HistoryBlock.objects.filter(span__in=spans).values_list("body", flat=True).iterator(20):
        block = unpack(bytes(body))
        assert len(set(block.epochs)) == len(block.epochs), "a point is there twice"
        for pk in block.streams:
            counted += sum(len(codes) - list(codes).count(UNKNOWN) for codes in block.series(pk).values())
    told = sum(spans.values_list("value_count", flat=True))
    assert counted == told, f"{counted} values, and {told} are said to be there"
    size = sum(spans.values_list("stored_bytes", flat=True))
    line("values kept of the records", f"{told:,} in {size / MIB:.1f} MiB")


def line(figure: str, value: str) -> None:
    """Print one figure."""
    print(f"  {figure:<40}{value}", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))

"""What Pulse costs beside the reference server: `python benchmarks/estate.py [S] [M] [L]`.

One process of `pulse run` watches a simulated estate whose answers take 20 ms. Start, requests, processor time and
memory are read from the outside: the counters of the simulated hosts and /proc. Wall times depend on the machine;
processor seconds, requests and bytes hardly do.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.simulated import SIZES
from tests.fake_proxmox.process import connection
from tests.process.running import PulseProcess, until

#: Until the slow lanes have read everything once: 60 calls per ten seconds and instance.
SETTLE_SECONDS = {"S": 60, "M": 200, "L": 480}
INTERVAL_SECONDS = 10
INTERVALS = {"S": 12, "M": 12, "L": 30}
ASKED = 200
TICKS = os.sysconf("SC_CLK_TCK")

#: figure -> size -> (the reference at its best, what we set out to reach)
REFERENCE: dict[str, dict[str, tuple[str, str]]] = {
    "requests per minute": {"S": ("905", "40"), "M": ("12,359", "200"), "L": ("107,916", "1,000")},
    "start to all guests, s": {"S": ("1.15", "3"), "M": ("4.3", "3"), "L": ("17.9", "5")},
    "CPU s per minute": {"S": ("0.28", "0.5"), "M": ("3.0", "1.0"), "L": ("25.8", "8")},
    "PSS, MB": {"S": ("33", "110"), "M": ("324", "150"), "L": ("3,028", "350")},
    "state, CPU ms": {"S": ("0.53", "1.2"), "M": ("4.8", "1.2"), "L": ("90", "5")},
}


class Estate:
    """The simulated hosts in a process of their own."""

    def __init__(self, size: str, latency_ms: float = 20) -> None:
        command = [sys.executable, "-m", "benchmarks.simulated", size, str(latency_ms)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.instances: list[dict[str, Any]] = []
        while not self.instances or len(self.instances) < self.instances[0]["of"]:
            self.instances.append(json.loads(self.process.stdout.readline()))

    def ask(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        """Return an answer of the control channel."""
        client = http.client.HTTPConnection(self.instances[0]["control"].removeprefix("http://"), timeout=30)
        client.request(method, path, body=json.dumps(document or {}) if method == "POST" else None)
        answer = json.loads(client.getresponse().read())
        client.close()
        return answer

    def traffic(self) -> dict[str, Any]:
        """Return the counters of every server by its address."""
        return self.ask("GET", "/traffic")

    def live_polls(self) -> dict[str, int]:
        """Return for each instance how often its live figures were asked for, at whichever member."""
        traffic = self.traffic()
        polls = {}
        for told in self.instances:
            servers = [member["url"] for member in told["members"]] or [told["url"]]
            path = "/cluster/resources" if told["kind"] == "pve" else "/nodes/localhost/status"
            polls[told["name"]] = sum(traffic[url]["requests"].get(path, 0) for url in servers)
        return polls


@contextmanager
def simulated(size: str, latency_ms: float = 20) -> Iterator[Estate]:
    """Run the estate of a size inside the block."""
    estate = Estate(size, latency_ms)
    try:
        yield estate
    finally:
        estate.process.terminate()
        estate.process.wait()


def cpu_seconds(pulse: PulseProcess) -> float:
    """Return the processor time that the process has used."""
    fields = Path(f"/proc/{pulse.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_megabytes(pulse: PulseProcess) -> float:
    """Return the memory that belongs to the process, shared pages by their share."""
    text = Path(f"/proc/{pulse.process.pid}/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1024


def is_whole(pulse: PulseProcess, estate: Estate, guests: int) -> bool:
    """Return whether the state holds every instance, healthy, with its guests (one in twenty is a template)."""
    status, state = pulse.request("GET", "/api/state")
    if status != 200 or sum(state["connectionHealth"].values()) < len(estate.instances):
        return False
    return len(state["vms"]) + len(state["containers"]) >= 0.9 * guests


def add_all(pulse: PulseProcess, estate: Estate, *, token: str = "") -> None:
    """Configure every instance through the API."""
    for told in estate.instances:
        body = connection(told)
        status, answer = pulse.request("POST", "/api/config/nodes", body, token=token)
        while status == 429:  # thirty a minute
            time.sleep(1.0)
            status, answer = pulse.request("POST", "/api/config/nodes", body, token=token)
        assert status == 201, answer


def measure(size: str) -> None:
    """Print every figure of one size."""
    clusters, nodes, guests_each, backup_servers = SIZES[size]
    wanted = clusters * guests_each
    print(f"\n{size}: {clusters * nodes} nodes, {wanted:,} guests, {backup_servers} PBS")
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder, simulated(size) as estate:
        data_dir = Path(folder) / "data"
        with PulseProcess(data_dir) as pulse:
            pulse.healthy()
            add_all(pulse, estate)
            until(lambda: is_whole(pulse, estate, wanted), seconds=120, what="all guests")
            pulse.end()
        estate.ask("POST", "/traffic/reset")
        with PulseProcess(data_dir) as pulse:
            healthy = pulse.healthy()
            until(lambda: all(estate.live_polls().values()), seconds=120, what="a poll of every instance")
            until(lambda: is_whole(pulse, estate, wanted), seconds=120, what="all guests")
            line("start to health, s", size, f"{healthy:.2f}")
            line("start to all guests, s", size, f"{time.monotonic() - pulse.started:.2f}")
            steady(size, pulse, estate)
            asked(size, pulse)


def steady(size: str, pulse: PulseProcess, estate: Estate) -> None:
    """Print what a minute costs with no client."""
    time.sleep(SETTLE_SECONDS[size])
    intervals = INTERVALS[size]
    estate.ask("POST", "/traffic/reset")
    cpu, polls, complete, requests = cpu_seconds(pulse), estate.live_polls(), 0, []
    begun = time.monotonic()
    for interval in range(1, intervals + 1):
        time.sleep(max(0.0, begun + interval * INTERVAL_SECONDS - time.monotonic()))
        now = estate.live_polls()
        complete += all(now[name] > polls[name] for name in now)
        polls = now
        requests.append(sum(server["total"] for server in estate.traffic().values()))
    used, traffic = cpu_seconds(pulse) - cpu, estate.traffic().values()
    refused = sum(
        count for server in traffic for status, count in server["statuses"].items() if status.startswith("4")
    )
    per_interval = [after - before for before, after in zip([0, *requests], requests, strict=False)]
    peak = max((count for server in traffic for count in server["inFlightPeak"].values()), default=0)
    minutes = intervals * INTERVAL_SECONDS / 60
    line("requests per minute", size, f"{requests[-1] / minutes:,.0f}")
    line("requests per 10 s", size, f"{min(per_interval):,} to {max(per_interval):,}")
    line("answers with 4xx", size, str(refused))
    line("in flight on one node", size, str(peak))
    line("intervals with every instance polled", size, f"{complete} of {intervals}")
    line("CPU s per minute", size, f"{used / minutes:.2f}")
    line("PSS, MB", size, f"{pss_megabytes(pulse):.0f}")


def asked(size: str, pulse: PulseProcess) -> None:
    """Print what one request for the state costs: compressed, plain, and when nothing has changed."""
    client = http.client.HTTPConnection("127.0.0.1", pulse.port, timeout=30)
    for name, headers in (
        ("state, CPU ms", {"Accept-Encoding": "gzip"}),
        ("state uncompressed, CPU ms", {}),
        ("health, CPU ms", None),
    ):
        before = cpu_seconds(pulse)
        for _ in range(ASKED):
            client.request(
                "GET", "/api/state" if headers is not None else "/api/health", headers=headers or {}
            )
            answer = client.getresponse()
            body = answer.read()
        line(name, size, f"{(cpu_seconds(pulse) - before) / ASKED * 1000:.2f}")
        if headers:
            line("state bytes (compressed)", size, f"{len(gzip.decompress(body)):,} ({len(body):,})")
    client.close()


def line(figure: str, size: str, value: str) -> None:
    """Print one figure beside the reference's."""
    reference, wanted = REFERENCE.get(figure, {}).get(size, ("", ""))
    beside = f"   reference {reference}, to reach {wanted}" if reference else ""
    print(f"  {figure:<38}{value:>24}{beside}", flush=True)


if __name__ == "__main__":
    print("Pulse in one process, 20 ms latency per answer, 10 s interval, everything on")
    for size in sys.argv[1:] or ["S", "L"]:
        measure(size)

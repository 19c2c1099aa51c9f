"""Hosts that are sick in every way at once, beside healthy ones: those stay fresh, these are told, and come back.

Source: reliability.md B2, B3, B4, B-FRESH, B-DETECT.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fake_proxmox.process import FakeProcess, connection
from tests.fault_proxy import FaultProxy, Toxics
from tests.process.running import PulseProcess, until

pytestmark = [pytest.mark.xdist_group("attacks"), pytest.mark.timeout(240)]

INTERVAL_SECONDS = 4
#: What a poll may take at this interval: `monitoring.polling.limits.deadline_seconds`.
DEADLINE_SECONDS = 7
HEALTHY = 12
#: What is wrong with the network in front of a host.
NETWORKS: Mapping[str, Toxics] = {
    "black hole": Toxics(is_black_hole=True),
    "frozen": Toxics(is_frozen=True),
    "frozen after the head": Toxics(freeze_after_bytes=2_500),
    "slow": Toxics(latency_ms=3_000, bytes_per_second=20_000),
}
#: What is wrong with the host itself.
FAULTS: Mapping[str, dict[str, Any]] = {
    "drip": {"kind": "drip", "bytes_per_second": 1},
    "stall in the handshake": {"kind": "tls-stall"},
    "reset in the body": {"kind": "reset", "after_bytes": 100},
    "endless": {"kind": "endless", "bytes_per_second": 400_000},
    "hang": {"kind": "hang"},
}
SICK = (*NETWORKS, *FAULTS)


@dataclass
class Seen:
    """What the state has told."""

    ages: list[float] = field(default_factory=list)  # of the healthy host that was read the longest ago
    silences: dict[str, float] = field(
        default_factory=dict
    )  # how long each had said nothing when it became offline

    def look(self, pulse: PulseProcess) -> None:
        """Note it once."""
        nodes = {node["instance"]: node for node in pulse.state()["nodes"]}
        ages = {name: age(node) for name, node in nodes.items()}
        self.ages.append(max(seconds for name, seconds in ages.items() if name not in SICK))
        for name in SICK:
            if nodes[name]["status"] == "offline":
                self.silences.setdefault(name, ages[name])


def age(node: Mapping[str, Any]) -> float:
    """Return how long ago a node was seen, in seconds."""
    return (datetime.now(UTC) - datetime.fromisoformat(node["lastSeen"])).total_seconds()


@dataclass
class Hosts:
    """The simulated hosts; each that will be sick has a proxy in front of it."""

    estate: FakeProcess
    proxies: dict[str, FaultProxy]
    urls: dict[str, str]

    def sicken(self) -> None:
        """Begin all that is wrong, on connections that are open and on new ones."""
        for name, arguments in FAULTS.items():
            self.estate.request("POST", "/fault", {"server": self.urls[name], **arguments})
        for name, toxics in NETWORKS.items():
            self.proxies[name].toxics = toxics
        for name in ("black hole", "frozen after the head", "stall in the handshake"):
            self.proxies[name].down()
            self.proxies[name].up()

    def count_anew(self) -> None:
        """Forget the connections that there were so far."""
        for proxy in self.proxies.values():
            proxy.reset_counters()

    def heal(self) -> None:
        """End all of it."""
        self.estate.request("POST", "/fault/clear")
        for proxy in self.proxies.values():
            proxy.toxics = Toxics()


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """As many hosts as are needed, all of them well."""
    count = HEALTHY + len(SICK)
    with (
        FakeProcess("large", "--clusters", str(count), "--nodes", "1", "--guests", "4") as estate,
        contextlib.ExitStack() as stack,
    ):
        proxies, urls = {}, {}
        for name, told in zip(SICK, estate.instances, strict=False):
            urls[name] = told["url"]
            address, _, port = told["url"].removeprefix("https://").partition(":")
            proxies[name] = stack.enter_context(FaultProxy(address, int(port)))
        yield Hosts(estate, proxies, urls)


@pytest.fixture
def pulse(hosts, tmp_path) -> Iterator[PulseProcess]:
    """Pulse that has read all of them."""
    with PulseProcess(tmp_path / "data", POLLING_INTERVAL=str(INTERVAL_SECONDS)) as pulse:
        pulse.healthy()
        for number, told in enumerate(hosts.estate.instances):
            name = SICK[number] if number < len(SICK) else told["name"]
            proxy = hosts.proxies.get(name)
            body = connection(told) | {"name": name}
            if proxy:
                body["host"] = f"https://127.0.0.1:{proxy.port}"
            status, answer = pulse.request("POST", "/api/config/nodes", body)
            assert status == 201, answer
        count = HEALTHY + len(SICK)
        until(lambda: sum(pulse.state()["connectionHealth"].values()) == count, seconds=60, what="all answer")
        yield pulse


def test_beside_hosts_that_are_sick_in_every_way_the_healthy_are_fresh_and_those_are_told_and_return(
    hosts, pulse
):
    seen = Seen()
    hosts.sicken()
    hosts.estate.request("POST", "/traffic/reset")

    begun = time.monotonic()
    while time.monotonic() < begun + DEADLINE_SECONDS + INTERVAL_SECONDS:  # what was open then is closed
        seen.look(pulse)
        time.sleep(0.3)
    hosts.count_anew()
    deadline = begun + 35 + 2 * DEADLINE_SECONDS + 2 * INTERVAL_SECONDS
    while len(seen.silences) < len(SICK) and time.monotonic() < deadline:
        seen.look(pulse)
        time.sleep(0.3)
    health = pulse.state()["connectionHealth"]
    rows = {row["name"]: row for row in pulse.request("GET", "/api/config/nodes")[1]}
    peaks = {name: proxy.open_peak for name, proxy in hosts.proxies.items()}
    traffic = hosts.estate.request("GET", "/traffic")
    hosts.heal()
    healed = datetime.now(UTC).isoformat()
    until(
        lambda: all(
            node["lastSeen"] > healed and node["status"] == "online" for node in pulse.state()["nodes"]
        ),
        seconds=DEADLINE_SECONDS + 2 * INTERVAL_SECONDS,
        what="all are read again",
    )

    assert max(seen.ages) <= 2 * INTERVAL_SECONDS
    assert sorted(seen.silences) == sorted(SICK)
    assert min(seen.silences.values()) >= 35
    assert max(seen.silences.values()) <= 35 + DEADLINE_SECONDS + INTERVAL_SECONDS + 4
    assert {name for name, answers in health.items() if not answers} == set(SICK)
    assert all(rows[name]["status"] in ("disconnected", "error") for name in SICK)
    assert all(rows[name]["statusMessage"] for name in SICK)
    # A poll holds one connection, never two polls at once, and nothing else asks a host that does not answer; but its records may
    # have been read in the moment in which it fell sick.
    assert set(peaks) == set(SICK)
    assert sorted(peaks.values()) in ([1] * len(SICK), [1] * (len(SICK) - 1) + [2])
    assert max(peak for server in traffic.values() for peak in server["inFlightPeak"].values()) <= 2

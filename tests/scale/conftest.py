"""Servers and parts of the scale-out mode, one set for all tests of a run."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.running import PulseProcess
from tests.scale.servers import PostgresServer, RedisServer

#: The shortest interval there is, so that a test sees several polls.
POLLING_SECONDS = 3
TOKEN = "a-token-of-more-than-twenty-characters"


@dataclass
class Scaled:
    """Real servers, the simulated estate, and the parts of Pulse started on them."""

    data_dir: Path
    redis: RedisServer
    postgres: PostgresServer
    estate: FakeProcess
    stack: contextlib.ExitStack
    parts: list[PulseProcess] = field(default_factory=list)

    def start(self, verb: str) -> PulseProcess:
        """Start one more web, worker or beat."""
        part = PulseProcess(
            self.data_dir,
            verb,
            API_TOKEN=TOKEN,
            PULSE_REDIS_URL=self.redis.url,
            PULSE_DATABASE_URL=self.postgres.url,
            PULSE_BIND="127.0.0.1",
            POLLING_INTERVAL=str(POLLING_SECONDS),
        )
        self.stack.enter_context(part)
        self.parts.append(part)
        return part

    def polls(self) -> int:
        """Return how often the hosts were asked for their live figures since the last reset."""
        traffic = self.estate.request("GET", "/traffic")
        return sum(server["requests"].get("/cluster/resources", 0) for server in traffic.values())

    def add(self, part: PulseProcess, name: str) -> None:
        """Add one instance of the simulated estate through the API of a web process."""
        told = self.estate.instance(name)
        body = connection(told)
        status, answer = part.request("POST", "/api/config/nodes", body, token=TOKEN)
        assert status == 201, answer


@pytest.fixture(scope="module")
def scaled() -> Iterator[Scaled]:
    with contextlib.ExitStack() as stack:
        # Not pytest's own: PostgreSQL may run as another user, who must be able to pass.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pulse-scale-")))
        folder.chmod(0o711)
        redis = RedisServer(folder / "redis")
        stack.callback(redis.stop)
        postgres = PostgresServer(folder / "postgres")
        stack.callback(postgres.stop)
        estate = stack.enter_context(FakeProcess("cluster"))
        yield Scaled(folder / "data", redis, postgres, estate, stack)


@pytest.fixture(scope="module")
def webs(scaled) -> tuple[PulseProcess, PulseProcess]:
    """Two web processes, with a worker and a beat behind them, watching the simulated cluster."""
    parts = [scaled.start(verb) for verb in ("web", "web", "worker", "beat")]
    first, second = parts[:2]
    first.healthy()
    second.healthy()
    scaled.add(first, "production")
    return first, second

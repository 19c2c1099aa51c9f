"""A whole estate of fake instances in one process: one thread, one event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.fake_proxmox.building import PbsSpec, PmgSpec, PveSpec, Spec
from tests.fake_proxmox.clock import Clock, RealClock
from tests.fake_proxmox.control import Control
from tests.fake_proxmox.server import FakeServer
from tests.fake_proxmox.site_pbs import PbsSite
from tests.fake_proxmox.site_pmg import PmgSite
from tests.fake_proxmox.sites import FakeSite, PveSite

T = TypeVar("T")
#: Members of a cluster need the same free port on several addresses; a few ports are tried.
PLACEMENT_TRIES = 30
_CALL_SECONDS = 30.0


class FakeEstate:
    """Instances after a list of specifications; a context manager that listens while it is open."""

    def __init__(
        self,
        *specs: Spec,
        seed: int = 1,
        clock: Clock | None = None,
        refresh_seconds: float = 10.0,
        unauthorized_delay_seconds: float = 3.0,
        agent_delay_seconds: float = 3.0,  # until a guest agent that does not answer is given up
        latency_ms: float = 0.0,
        base_port: int = 0,
        control_port: int | None = None,  # None: no control channel; 0: the system chooses
    ) -> None:
        self.clock: Clock = clock or RealClock()
        self.refresh_seconds = refresh_seconds
        self.unauthorized_delay_seconds = unauthorized_delay_seconds
        self.agent_delay_seconds = agent_delay_seconds
        self.base_port = base_port
        self.sites: list[FakeSite] = [self._site(spec, seed + index) for index, spec in enumerate(specs)]
        for server in self.servers:
            server.latency_ms = latency_ms
        self.control = Control(self, control_port) if control_port is not None else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def _site(self, spec: Spec, seed: int) -> FakeSite:
        if isinstance(spec, PveSpec):
            return PveSite(self, spec, seed)
        if isinstance(spec, PmgSpec):
            return PmgSite(self, spec, seed)
        assert isinstance(spec, PbsSpec)
        return PbsSite(self, spec, seed)

    @property
    def servers(self) -> list[FakeServer]:
        """All listening addresses of all instances."""
        return [server for site in self.sites for server in site.servers]

    def site(self, name: str) -> Any:
        """Return an instance by its name (a PveSite, PbsSite or PmgSite)."""
        return next(site for site in self.sites if site.name == name)

    def __enter__(self) -> FakeEstate:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """All servers listen when this returns, but for those of dead nodes."""
        loop = asyncio.new_event_loop()
        self._loop = loop
        self._thread = threading.Thread(target=loop.run_forever, name="fake-proxmox", daemon=True)
        self._thread.start()
        try:
            for index, site in enumerate(self.sites):
                _place(site, self.base_port + index if self.base_port else 0)
            for server in self.servers:
                if server.is_listening:
                    server.start()
            if self.control is not None:
                self.run(self.control.open())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Nothing listens any more, and the thread has ended."""
        if self._loop is None or self._thread is None:
            return
        if self.control is not None:
            self.run(self.control.close())
        for server in self.servers:
            server.stop()
            server.release()
        self.run(_let_transports_end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_SECONDS)
        self._loop.close()
        self._loop = self._thread = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns on the estate's loop; for callers outside of it."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the estate is not started")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_SECONDS)

    def describe(self) -> list[dict[str, Any]]:
        """Return one entry per instance with all that another process needs."""
        control = self.control.url if self.control is not None else ""
        return [
            {**site.describe(), "control": control, "index": index, "of": len(self.sites)}
            for index, site in enumerate(self.sites, 1)
        ]


async def _let_transports_end() -> None:
    # Aborted transports report the end of their connection in the next turns of the loop.
    for _ in range(5):
        await asyncio.sleep(0)


def _place(site: FakeSite, port: int) -> None:
    """Give all members of an instance one port number; dead nodes do not listen there."""
    dead = (
        {node.name for node in site.model.nodes.values() if node.died_at is not None}
        if isinstance(site, PveSite)
        else set()
    )
    for attempt in range(PLACEMENT_TRIES):
        wanted = port
        try:
            for server in site.servers:
                server.place(wanted)
                wanted = server.port
                if server.name not in dead:
                    server.listen()
        except OSError:
            for server in site.servers:
                server.release()
            if port or attempt == PLACEMENT_TRIES - 1:
                raise
            continue
        return

"""A TCP proxy in front of any server that makes the network between them bad."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.ports import held, port_of

CHUNK_BYTES = 16 << 10
_CALL_SECONDS = 10.0
#: Of the states that TCP_INFO tells, the one in which both sides may send.
ESTABLISHED = 1
#: How often a frozen connection looks whether it may go on.
_LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class Toxics:
    """What is wrong with the network right now."""

    latency_ms: float = 0.0  # added to every chunk, each way
    bytes_per_second: float | None = None  # limit, each way and connection
    reset_after_bytes: int | None = None  # from the server to the client, then RST to both
    freeze_after_bytes: int | None = (
        None  # from the server to the client, then nothing more comes; goes on when lifted
    )
    is_black_hole: bool = False  # connects, swallows what the client says, the server hears nothing
    is_frozen: bool = False  # nothing moves in either direction; goes on when lifted


class FaultProxy:
    """Forwards connections to one address; a context manager that listens while it is open."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.host = "127.0.0.1"
        self.port = 0
        self.toxics = Toxics()  # replace it at any time: proxy.toxics = Toxics(latency_ms=50)
        self.bytes_to_server = 0
        self.bytes_to_client = 0
        self.connections = 0
        self.open_peak = 0  # connections that clients held at once, at most
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> FaultProxy:
        self._holder = held(self.host)
        self.port = port_of(self._holder)
        self._thread.start()
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_SECONDS)
        self._loop.close()
        self._holder.close()

    def up(self) -> None:
        """Connections are accepted, on the same port as before."""
        self._run(self._open())

    def down(self) -> None:
        """Connections are refused, and those that exist are cut."""
        self._run(self._close())

    def reset_counters(self) -> None:
        """Count bytes and connections from 0 again; those that are open count when the next one comes."""
        self.bytes_to_server = self.bytes_to_client = self.connections = self.open_peak = 0

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_SECONDS)

    async def _open(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accepted, self.host, self.port)

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Aborted transports report their end in the next turns of the loop.
        for _ in range(3):
            await asyncio.sleep(0)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)
        self.open_peak = max(self.open_peak, sum(map(is_held, self._clients)))
        self.connections += 1
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # a cut or refused connection is what this proxy is for
        finally:
            self._tasks.discard(task)
            self._clients.discard(writer)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.toxics.is_black_hole:
            while await reader.read(CHUNK_BYTES):
                pass
            return
        await self._thaw()
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pump(reader, server_writer, to_client=False))
                ways.create_task(self._pump(server_reader, writer, to_client=True))
        except* OSError:
            pass
        finally:
            server_writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_client: bool
    ) -> None:
        passed = 0
        while chunk := await reader.read(CHUNK_BYTES):
            toxics = self.toxics
            if toxics.latency_ms:
                await asyncio.sleep(toxics.latency_ms / 1_000)
            await self._thaw(passed + len(chunk) if to_client else 0)
            if to_client and toxics.reset_after_bytes is not None:
                chunk = chunk[: max(0, toxics.reset_after_bytes - passed)]
            # Counted before it leaves: whoever has a byte finds it counted.
            passed += len(chunk)
            if to_client:
                self.bytes_to_client += len(chunk)
            else:
                self.bytes_to_server += len(chunk)
            writer.write(chunk)
            await writer.drain()
            if to_client and toxics.reset_after_bytes is not None and passed >= toxics.reset_after_bytes:
                _reset(writer)
                raise ConnectionResetError
            if toxics.bytes_per_second is not None:
                await asyncio.sleep(len(chunk) / toxics.bytes_per_second)
        with suppress(OSError):
            writer.write_eof()

    async def _thaw(self, bytes_to_client: int = 0) -> None:
        while self.toxics.is_frozen or is_beyond(self.toxics.freeze_after_bytes, bytes_to_client):
            await asyncio.sleep(_LOOK_SECONDS)


def is_beyond(limit: int | None, count: int) -> bool:
    """Return whether there is a limit, and it has been passed."""
    return limit is not None and count > limit


def is_held(writer: asyncio.StreamWriter) -> bool:
    """Return whether the client has not hung up: while nothing moves, one that has is still forwarded. Source: tcp(7), TCP_INFO."""
    try:
        state: int = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:
        return False
    return state == ESTABLISHED


def _reset(writer: asyncio.StreamWriter) -> None:
    """Cut a connection so that the other side sees a reset, not an end."""
    raw = writer.get_extra_info("socket")
    # With a linger time of zero, closing sends RST.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

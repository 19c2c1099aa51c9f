"""What a thousand clients of the live feed cost: `python -m benchmarks.feed [clients] [intervals] [S|M|L] [slow, in percent]`.

One process of `pulse run` watches the simulated estate. First come clients of the original protocol, a fifth of which
never read and come back whenever they are let go; then as many clients that take changes. Memory and processor time of
the server are read from /proc. The clients live in this process, on raw sockets, and only count what they get.
"""

from __future__ import annotations

import base64
import os
import resource
import select
import socket
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.estate import add_all, cpu_seconds, is_whole, pss_megabytes, simulated
from benchmarks.simulated import SIZES
from tests.process.running import PulseProcess, until

SLOW_PERCENT = 20
INTERVAL_SECONDS = 10.0
SETTLE_SECONDS = 35.0  # the server has put aside what it knows from its start
CONNECT_SECONDS = 120.0
#: Small, so that what a client does not read soon stays in the server and not in the kernel.
SLOW_BUFFER_BYTES = 4096
SAMPLE_SECONDS = 0.25
KNOWN_BYTES = 64  # of a message, enough to see its type
CONTINUED, PING, PONG = 0, 9, 10
STATES = {"initialState", "rawData", "state"}


class Tab:
    """One client; one that does not read has a small buffer and looks for nothing but the end."""

    def __init__(self, port: int, *, protocol: str, reads: bool) -> None:
        self.protocol = protocol
        self.reads = reads
        self.kinds: Counter[str] = Counter()
        self.bytes = 0
        self.state_at = 0.0
        self.raw_at: list[float] = []
        self.is_greeted = self.is_open = False
        self.kind = ""  # of the message that is coming in pieces
        self.received = bytearray()
        self.socket = socket.socket()
        if not reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))

    def greet(self) -> None:
        """Send the handshake."""
        lines = [
            "GET /ws HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
        ]
        if self.protocol == "delta":
            lines.append("Sec-WebSocket-Protocol: pulse.delta.v1")
        self.socket.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.is_greeted = True

    def take(self, at_epoch: float) -> bool:
        """Count the messages that came; False when the connection has ended."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.received += data
        self.bytes += len(data)
        if not self.is_open:
            head, found, rest = self.received.partition(b"\r\n\r\n")
            if found:
                assert head.startswith(b"HTTP/1.1 101 "), bytes(head)
                self.is_open, self.received = True, rest
        while self.is_open and (frame := self.frame()) is not None:
            opcode, is_last, payload = frame
            if opcode == PING:
                self.pong(payload)
                continue
            if opcode != CONTINUED:
                self.kind = self.kind_of(payload)
            if is_last:
                self.note(self.kind, at_epoch)
        return bool(data)

    def pong(self, payload: bytes) -> None:
        """Answer a ping of the connection; a mask of zeros is a mask."""
        self.socket.send(bytes([0x80 | PONG, 0x80 | len(payload), 0, 0, 0, 0]) + payload)

    def frame(self) -> tuple[int, bool, bytes] | None:
        """Take the next frame off what came: its opcode, whether its message ends with it, its content."""
        data = self.received
        size = data[1] if len(data) > 1 else 0
        start = {126: 4, 127: 10}.get(size, 2)
        if len(data) < start:
            return None
        if size > 125:
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            return None
        opcode, is_last, payload = data[0] & 15, bool(data[0] & 0x80), bytes(data[start : start + size])
        del data[: start + size]
        return opcode, is_last, payload

    def kind_of(self, payload: bytes) -> str:
        """Return the `type` of a message, empty for a close frame."""
        if payload.startswith(b"\x1f\x8b"):
            payload = zlib.decompressobj(31).decompress(payload, KNOWN_BYTES)
        _, _, rest = payload[:KNOWN_BYTES].partition(b'"type":"')
        return rest.partition(b'"')[0].decode()

    def note(self, kind: str, at_epoch: float) -> None:
        """Count a message and remember when the states came."""
        self.kinds[kind] += 1
        if kind in STATES and not self.state_at:
            self.state_at = at_epoch
        if kind in ("rawData", "changes"):
            self.raw_at.append(at_epoch)


class Crowd:
    """All clients of one protocol, served by one loop."""

    def __init__(self, pulse: PulseProcess, *, protocol: str, readers: int, slow: int) -> None:
        self.pulse = pulse
        self.protocol = protocol
        self.epoll = select.epoll()
        self.tabs: dict[int, Tab] = {}
        self.peak_megabytes = 0.0
        self.sampled_at = 0.0
        self.let_go = 0  # clients that do not read
        self.lost = 0  # clients that do: there should be none
        self.begun = time.monotonic()
        for number in range(readers + slow):
            self.open(reads=number < readers)

    def open(self, *, reads: bool) -> None:
        """Begin to connect one client."""
        tab = Tab(self.pulse.port, protocol=self.protocol, reads=reads)
        self.tabs[tab.socket.fileno()] = tab
        self.epoll.register(tab.socket, select.EPOLLOUT)

    @property
    def readers(self) -> list[Tab]:
        """The clients that read."""
        return [tab for tab in self.tabs.values() if tab.reads]

    def serve(self, until_at: float) -> None:
        """Let the clients live until an instant."""
        while (left := until_at - time.monotonic()) > 0:
            for number, events in self.epoll.poll(min(left, SAMPLE_SECONDS)):
                self.look(self.tabs[number], events)
            if time.monotonic() - self.sampled_at > SAMPLE_SECONDS:
                self.sampled_at = time.monotonic()
                self.peak_megabytes = max(self.peak_megabytes, pss_megabytes(self.pulse))

    def serve_until_told(self) -> float:
        """Serve until every client that reads has a state; return the seconds since the first connect."""
        while not all(tab.state_at for tab in self.readers):
            assert time.monotonic() - self.begun < CONNECT_SECONDS, "not every client got a state"
            self.serve(time.monotonic() + SAMPLE_SECONDS)
        return max(tab.state_at for tab in self.readers) - self.begun

    def look(self, tab: Tab, events: int) -> None:
        """Do what a socket is ready for."""
        if not tab.is_greeted and events & select.EPOLLOUT:
            tab.greet()
            self.epoll.modify(tab.socket, select.EPOLLIN if tab.reads else select.EPOLLRDHUP)
        elif events & (select.EPOLLERR | select.EPOLLHUP | select.EPOLLRDHUP) or not tab.take(
            time.monotonic()
        ):
            self.ended(tab)

    def ended(self, tab: Tab) -> None:
        """Count the end of a connection; who does not read comes back as a browser would."""
        self.close(tab)
        if tab.reads:
            self.lost += 1
        else:
            self.let_go += 1
            self.open(reads=False)

    def close(self, tab: Tab) -> None:
        """Hang up."""
        self.epoll.unregister(tab.socket)
        del self.tabs[tab.socket.fileno()]
        tab.socket.close()

    def close_all(self) -> None:
        """Hang up for all."""
        for tab in list(self.tabs.values()):
            self.close(tab)
        self.epoll.close()


def measure(pulse: PulseProcess, *, protocol: str, readers: int, slow: int, intervals: int) -> None:
    """Print what one crowd costs."""
    print(f"\n{readers + slow:,} clients, protocol {protocol}, {slow} of them never read")
    before = pss_megabytes(pulse)
    alone = cpu_seconds(pulse)
    time.sleep(INTERVAL_SECONDS)
    alone = cpu_seconds(pulse) - alone
    used = cpu_seconds(pulse)
    crowd = Crowd(pulse, protocol=protocol, readers=readers, slow=slow)
    told = crowd.serve_until_told()
    line("until every reader has the state, s", f"{told:.2f}")
    line("CPU s for that", f"{cpu_seconds(pulse) - used:.2f}")
    line("peak PSS while they came, MB", f"{crowd.peak_megabytes:.0f}")
    crowd.serve(time.monotonic() + INTERVAL_SECONDS)
    with_clients = pss_megabytes(pulse)
    crowd.peak_megabytes = 0.0
    counted = {id(tab): (len(tab.raw_at), tab.bytes) for tab in crowd.readers}
    used = cpu_seconds(pulse)
    begun = time.monotonic()
    crowd.serve(begun + intervals * INTERVAL_SECONDS)
    used = cpu_seconds(pulse) - used
    got = Counter(len(tab.raw_at) - counted[id(tab)][0] for tab in crowd.readers)
    bytes_each = sum(tab.bytes - counted[id(tab)][1] for tab in crowd.readers) / max(1, len(crowd.readers))
    line(
        "PSS before, with clients, peak, MB", f"{before:.0f}, {with_clients:.0f}, {crowd.peak_megabytes:.0f}"
    )
    line("CPU s per interval, alone and with clients", f"{alone:.2f}, {used / intervals:.2f}")
    line(f"messages in {intervals} intervals: clients that got so many", str(dict(sorted(got.items()))))
    line("first to last reader of one message, s", f"{spread(crowd.readers, begun):.2f}")
    line("bytes per reader and interval", f"{bytes_each / intervals:,.0f}")
    line("readers lost; slow clients that were cut off and came back", f"{crowd.lost}; {crowd.let_go}")
    served = pulse.request("GET", "/api/state")[1]["stats"]["webSocketClients"]
    line("clients that the server still serves; TCP buffers, MB", f"{served:,}; {tcp_megabytes():.0f}")
    crowd.close_all()
    time.sleep(2 * INTERVAL_SECONDS)
    line("PSS when all are gone, MB", f"{pss_megabytes(pulse):.0f}")


def spread(readers: list[Tab], begun: float) -> float:
    """Return how long after the first the last reader had the same message, at worst."""
    rounds = list(zip(*([at for at in tab.raw_at if at > begun] for tab in readers), strict=False))
    return max((max(times) - min(times) for times in rounds), default=0.0)


def tcp_megabytes() -> float:
    """Return what the kernel holds in buffers of all TCP connections of this machine, both ends of ours included."""
    fields = Path("/proc/net/sockstat").read_text().partition("\nTCP:")[2].split("\n")[0].split()
    return int(fields[fields.index("mem") + 1]) * resource.getpagesize() / 1e6


def line(figure: str, value: str) -> None:
    """Print one figure."""
    print(f"  {figure:<58}{value}", flush=True)


def main(clients: int = 1000, intervals: int = 6, size: str = "S", slow_percent: int = SLOW_PERCENT) -> None:
    """Measure both protocols, each in its turn."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clusters, _, guests, _ = SIZES[size]
    slow = clients * slow_percent // 100
    with (
        tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder,
        simulated(size) as estate,
        PulseProcess(Path(folder) / "data") as pulse,
    ):
        pulse.healthy()
        add_all(pulse, estate)
        until(lambda: is_whole(pulse, estate, clusters * guests), seconds=120, what="all guests")
        time.sleep(SETTLE_SECONDS)
        print(f"{clusters * guests:,} guests, an interval of {INTERVAL_SECONDS:g} s")
        measure(pulse, protocol="original", readers=clients - slow, slow=slow, intervals=intervals)
        measure(pulse, protocol="delta", readers=clients, slow=0, intervals=intervals)
        assert "Traceback" not in pulse.log, pulse.log


if __name__ == "__main__":
    given = dict(enumerate(sys.argv[1:]))
    main(int(given.get(0, 1000)), int(given.get(1, 6)), given.get(2, "S"), int(given.get(3, SLOW_PERCENT)))

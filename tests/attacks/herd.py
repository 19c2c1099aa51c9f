"""Many clients of the feed that return at once, as a process of its own: `python -m tests.attacks.herd port count`.

Prints one line: a JSON list of the seconds after which each had its first state, and stays until it is ended.
"""

from __future__ import annotations

import json
import random
import selectors
import signal
import socket
import sys
import time

from tests.attacks.peers import TOKEN, handshake

HANDSHAKE = handshake(f"X-API-Token: {TOKEN}", "Sec-WebSocket-Protocol: pulse.delta.v1")
PATIENCE_SECONDS = 60.0


class Returning:
    """One client: connects, is let in or waits as the page does and comes again."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.port = port
        self.chance = chance
        self.failures = 0
        self.due = 0.0
        self.peer: socket.socket | None = None
        self.came = b""

    def begin(self) -> socket.socket:
        """Connect."""
        self.came = b""
        self.peer = socket.socket()
        self.peer.setblocking(False)
        self.peer.connect_ex(("127.0.0.1", self.port))
        return self.peer

    def fail(self, now: float) -> None:
        """Hang up, and wait: anything up to a bound that doubles from half a second to thirty."""
        assert self.peer is not None
        self.peer.close()
        self.peer = None
        self.due = now + self.chance.uniform(0, min(30.0, 0.5 * 2**self.failures))
        self.failures += 1

    @property
    def has_state(self) -> bool:
        """Whether it was let in, and frames have come: the welcome and the beginning of the state."""
        head, _, frames = self.came.partition(b"\r\n\r\n")
        return head.startswith(b"HTTP/1.1 101 ") and len(frames) > 100

    @property
    def is_refused(self) -> bool:
        """Whether something else was answered."""
        return len(self.came) > 12 and not self.came.startswith(b"HTTP/1.1 101 ")


def main(port: int, count: int) -> None:
    """Let all come at once and print when they were in."""
    chance = random.Random(1)
    waiting = {Returning(port, chance) for _ in range(count)}
    selector, took, begun = selectors.DefaultSelector(), [], time.monotonic()
    connecting = selectors.EVENT_WRITE
    while len(took) < count and time.monotonic() - begun < PATIENCE_SECONDS:
        now = time.monotonic()
        for client in [client for client in waiting if client.due <= now]:
            waiting.discard(client)
            selector.register(client.begin(), connecting, client)
        for key, events in selector.select(0.05):
            client, peer = key.data, key.fileobj
            try:
                if events & selectors.EVENT_WRITE:
                    peer.send(HANDSHAKE)
                    selector.modify(peer, selectors.EVENT_READ, client)
                    continue
                part = peer.recv(1 << 16)
            except OSError:
                part = b""
            client.came = (client.came + part)[:1000]
            if client.has_state:
                selector.unregister(peer)
                took.append(round(time.monotonic() - begun, 3))
            elif not part or client.is_refused:
                selector.unregister(peer)
                client.fail(time.monotonic())
                waiting.add(client)
    print(json.dumps(took), flush=True)
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

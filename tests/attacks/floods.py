"""All floods at once, as a process of its own: `python -m tests.attacks.floods port [name...]`.

Each flood runs in a thread until the process is ended, and begins anew whatever the server does to its connections.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlencode

from tests.attacks.peers import PING, TEXT, TOKEN, dial, frame, many, open_feed, push, request, said

#: The largest file that anybody may have, without a credential.
LARGE_FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
PAUSE_SECONDS = 0.2

ended = threading.Event()


def closing(peers: list[socket.socket], *, seconds: float) -> None:
    """Keep the connections for so long."""
    ended.wait(seconds)
    for peer in peers:
        peer.close()


def pipelining(port: int) -> None:
    """Send as many requests on one connection as it takes."""
    with dial(port) as peer:
        push(peer, itertools.repeat(request("/api/version") * 1000), seconds=5)


def trailers(port: int) -> None:
    """Send trailers without an end."""
    head = request("/api/config/nodes", "Transfer-Encoding: chunked", method="POST", body=b"0\r\n")
    with dial(port) as peer:
        push(peer, itertools.chain([head], itertools.repeat(b"A: " + b"b" * 8000 + b"\r\n")), seconds=5)


def slow_bodies(port: int) -> None:
    """Begin a hundred sign-ins, and send a byte of each now and then."""
    head = request("/login", "Content-Length: 1000", "Sec-Fetch-Site: same-origin", method="POST")
    peers = many(100, lambda: dial(port))
    for content in [head, *[b"a"] * 8]:
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.sendall(content)
        ended.wait(1)
    closing(peers, seconds=0)


def slow_heads(port: int) -> None:
    """Begin three hundred requests, and send a byte of each now and then."""
    peers = many(300, lambda: dial(port))
    for content in [b"GET / HTTP/1.1\r\nHost: x\r\nA: ", *[b"b"] * 10]:
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.sendall(content)
        ended.wait(1)
    closing(peers, seconds=0)


def silence(port: int) -> None:
    """Open two thousand connections and say nothing."""
    closing(many(2000, lambda: dial(port)), seconds=10)


def pings(port: int) -> None:
    """Send pings to an open feed, and read no pong."""
    with open_feed(port, buffer_bytes=4096) as peer:
        push(peer, itertools.repeat(frame(PING, b"x" * 125) * 500), seconds=5, reads=False)


def fragments(port: int) -> None:
    """Send a message in parts without an end."""
    with open_feed(port) as peer:
        push(
            peer,
            itertools.chain([frame(TEXT, is_last=False)], itertools.repeat(frame(0, is_last=False) * 500)),
            seconds=5,
        )


def sign_ins(port: int) -> None:
    """Try passwords of many accounts."""
    form = urlencode({"username": f"nobody-{random.random()}", "password": "wrong"}).encode()
    content = request(
        "/login", "Connection: close", "Sec-Fetch-Site: same-origin", f"Content-Length: {len(form)}",
        "Content-Type: application/x-www-form-urlencoded", method="POST", body=form,
    )  # fmt: skip
    with dial(port) as peer:
        said(peer, content)


def wrong_tokens(port: int) -> None:
    """Try tokens, as requests and as handshakes."""
    with dial(port) as peer:
        said(peer, request("/api/state", "Connection: close", f"X-API-Token: {random.random()}"))


def stalled_feeds(port: int) -> None:
    """Open twenty feeds, ask for the state again and again, and read nothing."""
    peers = many(20, lambda: open_feed(port, buffer_bytes=4096))
    for _ in range(10):
        for peer in peers:
            with contextlib.suppress(OSError):
                peer.sendall(frame(TEXT, b'{"type":"requestData"}'))
        ended.wait(1.5)
    closing(peers, seconds=0)


def stalled_answers(port: int) -> None:
    """Ask for large answers on a hundred connections, and read nothing."""
    contents = [request(LARGE_FILE), request("/api/state", f"X-API-Token: {TOKEN}")]
    peers = many(100, lambda: dial(port, buffer_bytes=4096))
    for peer, content in zip(peers, itertools.cycle(contents), strict=False):
        with contextlib.suppress(OSError):
            peer.sendall(content)
    closing(peers, seconds=20)


FLOODS: dict[str, Callable[[int], None]] = {
    flood.__name__: flood
    for flood in (
        pipelining, trailers, slow_bodies, slow_heads, silence, pings, fragments, sign_ins, wrong_tokens,
        stalled_feeds, stalled_answers,
    )
}  # fmt: skip


def repeated(flood: Callable[[int], None], port: int) -> None:
    """Attack again and again."""
    while not ended.is_set():
        with contextlib.suppress(OSError):
            flood(port)
        ended.wait(PAUSE_SECONDS)


def main(port: int, *names: str) -> None:
    """Attack until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    for name in names or FLOODS:
        threading.Thread(target=repeated, args=(FLOODS[name], port), daemon=True).start()
    while not ended.wait(0.5):
        pass
    time.sleep(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])

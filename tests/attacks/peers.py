"""Raw connections of an attacker: what is sent is sent as it is, and nothing need be read."""

from __future__ import annotations

import base64
import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable

TOKEN = "a-token-of-more-than-twenty-characters"
#: Opcodes of RFC 6455 section 5.2.
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def dial(
    port: int, *, source: str = "127.0.0.1", buffer_bytes: int = 0, seconds: float = 10
) -> socket.socket:
    """Return a connection from an address of this machine; with a small buffer the system holds little for it."""
    peer = socket.socket()
    if buffer_bytes:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    peer.settimeout(seconds)
    try:
        peer.bind((source, 0))
        peer.connect(("127.0.0.1", port))
    except OSError:
        peer.close()
        raise
    return peer


def request(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """Return a request of HTTP/1.1."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode() + body


def answer_to(port: int, content: bytes, *, seconds: float = 10, source: str = "127.0.0.1") -> bytes:
    """Return all that comes back until the server closes, or says nothing for so long; b"" after a reset."""
    with dial(port, seconds=seconds, source=source) as peer:
        return said(peer, content)


def said(peer: socket.socket, content: bytes = b"") -> bytes:
    """Send the content and return as `answer_to` does."""
    parts: list[bytes] = []
    with contextlib.suppress(OSError):
        peer.sendall(content)
    with contextlib.suppress(OSError):
        while part := peer.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def statuses(answers: bytes) -> list[int]:
    """Return the status of each answer in what came back."""
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def push(
    peer: socket.socket, contents: Iterable[bytes], *, seconds: float, reads: bool = True
) -> tuple[int, int]:
    """Send what the other side takes for so long; return the bytes that were sent, and those that were read.

    Ends sooner when everything is sent, or when the connection has ended.
    """
    peer.setblocking(False)
    sent = read = 0
    source = iter(contents)
    left = memoryview(next(source, b""))
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(peer, select.POLLOUT | (select.POLLIN if reads else 0))
    with contextlib.suppress(OSError):
        while len(left) and time.monotonic() < deadline:
            events = sum(event for _, event in poll.poll(200))
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                part = peer.recv(1 << 18)
                if not part:
                    break
                read += len(part)
            if events & select.POLLOUT:
                count = peer.send(left)
                sent += count
                left = left[count:] if count < len(left) else memoryview(next(source, b""))
    return sent, read


def frame(opcode: int, content: bytes = b"", *, is_last: bool = True) -> bytes:
    """Return a masked frame of a client; the mask is zero. Source: RFC 6455 section 5.2."""
    first = opcode | (0x80 if is_last else 0)
    if len(content) < 126:
        head = struct.pack("!BB", first, 0x80 | len(content))
    elif len(content) < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, len(content))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(content))
    return head + bytes(4) + content


def handshake(*headers: str, path: str = "/ws") -> bytes:
    """Return the request that opens a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return request(
        path, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}", *headers,
    )  # fmt: skip


def open_feed(port: int, *, protocol: str = "", buffer_bytes: int = 0) -> socket.socket:
    """Return a WebSocket of the feed that was let in by the token; raises ConnectionError with the answer for one that was not."""
    peer = dial(port, buffer_bytes=buffer_bytes)
    offered = [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
    peer.sendall(handshake(f"X-API-Token: {TOKEN}", *offered))
    head = b""
    while b"\r\n\r\n" not in head:
        part = peer.recv(1)
        if not part:
            break
        head += part
    if not head.startswith(b"HTTP/1.1 101 "):
        peer.close()
        raise ConnectionError(head)
    return peer


def close_code(peer: socket.socket) -> int | None:
    """Return the code with which the server closes, reading over everything before; None without a close frame."""
    reader = peer.makefile("rb")
    try:
        while len(head := reader.read(2)) == 2:
            length = head[1] & 0x7F
            if length == 126:
                length = struct.unpack("!H", reader.read(2))[0]
            elif length == 127:
                length = struct.unpack("!Q", reader.read(8))[0]
            content = reader.read(length)
            if head[0] & 0x0F == CLOSE:
                return int(struct.unpack("!H", content[:2])[0])
    except (OSError, struct.error):
        pass
    return None


def many(count: int, dialled: Callable[[], socket.socket]) -> list[socket.socket]:
    """Return so many connections, or as many as are to be had."""
    peers: list[socket.socket] = []
    with contextlib.suppress(OSError):
        while len(peers) < count:
            peers.append(dialled())
    return peers

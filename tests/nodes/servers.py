"""A server that follows a script byte by byte, for what a well-behaved one would never do."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from nodes.proxmox.client import Answer, Client, Credential, Target
from pulse.lib.outbound.policy import AddressPolicy
from tests.fake_proxmox.certificates import Certificate, certificate

TOKEN = Credential(token_id="pulse@pve!monitor", token_value="6f1de9a2-token-secret")
PASSWORD = Credential(user="pulse@pve", password="correct horse & battery")

#: What may be called in tests: their servers are on this machine.
LOCAL = AddressPolicy(allows_loopback=True, allows_private=True)

#: Long enough for a busy machine; no test waits for it unless it fails.
PATIENCE_SECONDS = 10.0


def local(*args: Any, **options: Any) -> Target:
    """How to call a server of a test: as Target has it, at whatever address of this machine."""
    return Target(*args, policy=LOCAL, **options)


class Link:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, server: ScriptedServer) -> None:
        self.sock = sock
        self.server = server
        self._ahead = b""

    def request(self) -> bytes:
        """Return the next request with its body, b"" when the client has gone."""
        while b"\r\n\r\n" not in self._ahead:
            if not self._receive():
                return b""
        head, _, rest = self._ahead.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        while len(rest) < length:
            if not self._receive():
                return b""
            rest = self._ahead.partition(b"\r\n\r\n")[2]
        self._ahead = rest[length:]
        request = head + b"\r\n\r\n" + rest[:length]
        self.server.requests.append(request)
        return request

    def _receive(self) -> bool:
        received = self.sock.recv(65536)
        self.server.received_bytes += len(received)
        self._ahead += received
        return bool(received)

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def answer(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """Send a whole answer."""
        self.send(answer(body, status, *headers))

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(self.sock, ssl.SSLSocket):
            socket.socket(fileno=self.sock.detach()).close()
        else:
            self.sock.close()


Script = Callable[[Link], None]


class ScriptedServer:
    """Listens on loopback and lets the script deal with each connection, on a thread of its own."""

    def __init__(
        self, script: Script, shown: Certificate | None, context: ssl.SSLContext | None = None
    ) -> None:
        self.script = script
        self.certificate = shown
        self.context = context or (shown.context if shown else None)
        self.connections = 0
        self.requests: list[bytes] = []
        self.received_bytes = 0  # inside TLS
        self.has_ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """The base address."""
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def target(self, credential: Credential = TOKEN, kind: str = "pve", fingerprint: str = "") -> Target:
        """How to call this server, unverified unless a fingerprint is given."""
        return local(kind, self.url, credential, fingerprint=fingerprint)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE_SECONDS)
        with suppress(OSError):
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            self.script(Link(sock, self))
        with suppress(OSError):
            sock.close()

    def close(self) -> None:
        """Stop listening and wait for the scripts to end."""
        self.has_ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)


def own_certificate() -> Certificate:
    """Return the certificate of scripted servers, for 127.0.0.1 and localhost."""
    return certificate("pve", "scripted", "127.0.0.1")


@contextmanager
def scripted(
    script: Script, *, tls: bool = True, context: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """A server with this script, over TLS unless told otherwise."""
    server = ScriptedServer(script, own_certificate() if tls else None, context)
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return the bytes of an answer with the length that it has."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json;charset=UTF-8", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def always(body: bytes, status: str = "200 OK", *headers: str) -> Script:
    """A script that answers every request alike and keeps the connection open."""

    def script(link: Link) -> None:
        while link.request():
            link.answer(body, status, *headers)

    return script


def ask(
    target: Target, path: str = "/version", params: Mapping[str, str | int] | None = None, **options: Any
) -> Answer:
    """Make one call with a client of its own; options as of Client."""
    with Client(target, **options) as client:
        return client.get(path, params)

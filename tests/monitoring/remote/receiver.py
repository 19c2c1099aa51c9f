"""A receiver of remote write on loopback: it keeps what it was sent, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.monitoring.remote.reading import Labels, received


class Answer(NamedTuple):
    """What is answered."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = {}


@dataclass
class Receiver:
    """What has come, whatever was answered; `answers` are given in turn, then everything is taken."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    connections: int = 0

    def series(self) -> dict[Labels, list[tuple[int, float | str]]]:
        """Return the samples that were taken by series, in the order in which they came."""
        found: dict[Labels, list[tuple[int, float | str]]] = {}
        for body in self.taken:
            for labels, samples in received(body):
                found.setdefault(labels, []).extend(samples)
        return found

    def of(self, name: str, **labels: str) -> list[tuple[int, float | str]]:
        """Return the samples of one series, seconds with values; its labels may be told in part."""
        wanted = {("__name__", name), *labels.items()}
        found = [samples for key, samples in self.series().items() if wanted <= set(key)]
        assert len(found) <= 1, sorted(self.series())
        return [(at // 1000, value) for at, value in found[0]] if found else []


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            receiver.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append((dict(self.headers), body))
            answer = receiver.answers.pop(0) if receiver.answers else Answer()
            if answer.status < 300:
                receiver.taken.append(body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/api/v1/write"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

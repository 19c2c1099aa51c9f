"""A host that tells everything it was told, and the spellings under which a secret may come out of Pulse."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

TICKET = "PVE:pulse@pve:6955B0C0::Canary99ticket0123456789abcdefghijklmnopqrstuvwxyz+/=="
CSRF = "6955B0C0:Canary98csrf0123456789abcdefghijklmnopq"


class Echo(http.server.BaseHTTPRequestHandler):
    """A host that gives a ticket to everybody and answers each call with the credential it was sent."""

    mode = "reason"

    def log_message(self, *args: object) -> None:
        """Stay silent."""

    def do_POST(self) -> None:
        """Give a ticket, or repeat the form."""
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.mode == "no ticket":
            self.tell(401, form, {"data": None, "message": form})
        else:
            self.tell(
                200, "OK", {"data": {"ticket": TICKET, "CSRFPreventionToken": CSRF, "username": "pulse@pve"}}
            )

    def do_GET(self) -> None:
        """Repeat the headers."""
        sent = f"{self.headers.get('Authorization', '')} {self.headers.get('Cookie', '')} {CSRF}".strip()
        quoted = f"{sent} {TICKET}"
        match self.mode:
            case "reason":
                self.tell(500, f"no such thing: {quoted}", {"data": None})
            case "message":
                self.tell(500, "failed", {"data": None, "message": f"you sent {quoted}"})
            case "errors":
                self.tell(400, "bad", {"data": None, "errors": {"header": quoted}})
            case "401" | "no ticket":
                self.tell(401, quoted, {"data": None, "message": quoted})
            case "403":
                self.tell(403, f"Permission check failed (/, {quoted})", {"data": None})
            case "595":
                self.tell(595, quoted, {"data": None})
            case "redirect":
                self.tell(302, quoted, {"data": None}, location=f"https://{quoted}")
            case "page":
                self.tell(200, quoted, f"<html>{quoted}</html>")
            case "data":
                self.tell(200, "OK", {"data": [{"node": quoted, "version": quoted, "name": quoted}]})

    def tell(self, status: int, reason: str, body: object, **headers: str) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status, reason)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


MODES = ("reason", "message", "errors", "401", "403", "595", "redirect", "page", "data", "no ticket")


@contextmanager
def repeating() -> Iterator[str]:
    """Serve as the host that repeats what it is sent, and yield its address."""
    Echo.mode = MODES[0]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def spellings(secret: str) -> set[str]:
    """Return the secret as it is, in a URL, in JSON, in HTML and in base64."""
    html = secret.replace("&", "&amp;").replace("+", "&#x2B;")
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], html, encoded}

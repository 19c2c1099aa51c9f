"""`python -m pulse.runtime.healthcheck`: exit code 0 while the Pulse of this container or machine answers."""

from __future__ import annotations

import http.client
import os
import sys

TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Return 0 when /api/health answers 200 in time, else 1; loads nothing of Django."""
    host = os.environ.get("PULSE_BIND", "")
    if host in ("", "0.0.0.0", "::"):  # noqa: S104  compared, not bound
        host = "127.0.0.1"
    port = int(os.environ.get("PORT") or os.environ.get("FRONTEND_PORT") or 7655)
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/api/health")
        return 0 if connection.getresponse().status == 200 else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())

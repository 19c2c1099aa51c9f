"""Ports that stay a test's own: each is held by a socket that is bound to it and never listens.

Who asks the system for any free port, to listen or to connect from, is not given a bound one, and who connects to one on which
nobody listens is refused. Who names it may listen on it all the same, as often as a server is started anew, if both
sides set SO_REUSEADDR; every server does.
Source: socket(7) and ip(7) of Linux, SO_REUSEADDR and ip_autobind_reuse.
"""

from __future__ import annotations

import signal
import socket


def held(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return what holds a port until it is closed; 0 lets the system choose. Raises OSError when somebody listens there."""
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, port))
    except OSError:
        holder.close()
        raise
    return holder


def port_of(listener: socket.socket) -> int:
    """Return the number of a bound port."""
    return int(listener.getsockname()[1])


def own_port() -> int:
    """Return a port of 127.0.0.1 that is held until this process ends."""
    holder = held()
    port = port_of(holder)
    holder.detach()
    return port


if __name__ == "__main__":
    print(own_port(), flush=True)
    signal.pause()

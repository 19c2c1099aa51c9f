"""Real Redis and PostgreSQL servers on loopback, in temporary directories, for as long as a test needs them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.ports import own_port
from tests.process.running import until

START_SECONDS = 30.0


class RedisServer:
    """A redis-server that keeps nothing; it can be stopped and comes back empty on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = own_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self.start()

    @property
    def url(self) -> str:
        """What PULSE_REDIS_URL takes."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", *options, "--dir", self.folder],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self.answers, seconds=START_SECONDS, what="Redis answers")

    def answers(self) -> bool:
        """Return whether it answers a PING."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def freeze(self) -> None:
        """Make it a black hole: it takes connections and never answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, and everything in it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None


class PostgresServer:
    """A PostgreSQL cluster of its own; run as the user `postgres` when the tests run as root, as it must."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = own_port()
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self.run(
            "initdb", "--auth=trust", "--username=pulse", "--no-sync", "--encoding=UTF8", "-D", self.data
        )
        self.start()
        self.run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "pulse", "pulse")

    @property
    def data(self) -> Path:
        """The directory of the cluster."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """What PULSE_DATABASE_URL takes."""
        return f"postgresql://pulse@127.0.0.1:{self.port}/pulse"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs to its end."""
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        with (self.folder / "log").open("ab") as log:
            subprocess.run(
                [*as_user, str(binary(program)), *arguments],
                cwd=self.folder,
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=120,
            )

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "start", "-w", "-D", self.data, "-o", options, "-l", self.folder / "server.log")

    def processes(self) -> list[int]:
        """Return the ids of the server and of all that it has started."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        children = (Path(f"/proc/{first}/task/{first}/children")).read_text().split()
        return [first, *map(int, children)]

    def freeze(self) -> None:
        """Make it hang: its system still takes what is sent, and nothing is answered."""
        for pid in self.processes():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on; the children first, so that the server does not take them for dead."""
        for pid in reversed(self.processes()):
            os.kill(pid, signal.SIGCONT)

    def stop(self, mode: str = "immediate") -> None:
        """End it; `immediate` is what a power cut would do."""
        self.run("pg_ctl", "stop", "-w", "-D", self.data, "-m", mode)


def binary(program: str) -> Path:
    """Return the newest installed PostgreSQL program of that name."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which(program)
    if found:
        return found[-1]
    assert on_path, f"{program} is not installed"
    return Path(on_path)

"""One process per data directory."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pulse.env import EnvError
from pulse.runtime.refusals import StartRefused

NAME = "pulse.lock"


@contextmanager
def sole_process(data_dir: Path) -> Iterator[None]:
    """Hold the data directory's lock inside the block; the file says which process holds it.

    The operating system lets go of the lock when the process ends, however it ends: after a kill -9 nothing has
    to be cleaned up. Raises StartRefused when another process holds it, EnvError when the file cannot be made.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data_dir / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EnvError(f"the data directory {data_dir} cannot be written ({error.strerror})") from None
    try:
        os.fchmod(descriptor, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise StartRefused(
                f"process {holder} already runs on the data directory {data_dir}; "
                "stop it first, or set PULSE_DATA_DIR to another directory"
            ) from None
        except OSError as error:
            raise EnvError(f"the data directory {data_dir} cannot hold a lock ({error.strerror})") from None
        write_holder(descriptor, data_dir)
        yield
    finally:
        os.close(descriptor)


def write_holder(descriptor: int, data_dir: Path) -> None:
    """Write this process's id into the lock file; a full disk is no reason not to start: what is known can be shown."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise StartRefused(f"the data directory {data_dir} cannot be written: {error.strerror}") from None

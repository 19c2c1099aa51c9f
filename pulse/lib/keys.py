"""Key files in the data directory: made once with mode 0600, refused when others could have touched them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from pulse.env import EnvError

SECRET_CHARS = 32
#: A random hexadecimal text of 32 has fewer once in ten million.
LEAST_VARIETY = 8
#: What stands in examples and templates, however it goes on.
PLACEHOLDER = re.compile(
    r"change.?(me|this|it)|django-insecure|insecure|your.?(secret|key|token)|replace.?(me|this)|secret.?key|"
    r"^secret|super.?secret|top.?secret|example|placeholder|password|12345678|qwerty",
    re.IGNORECASE,
)


def token_digest(token: str) -> str:
    """Return what is kept of a token: SHA-256 in hex; empty for an empty token.

    A fast hash is right here: tokens are random and long, unlike passwords.
    """
    return hashlib.sha256(token.encode()).hexdigest() if token else ""


def weakness_of(secret: str) -> str:
    """Return why a secret could be guessed, as what follows its name in a sentence; empty for one that looks random."""
    if len(secret) < SECRET_CHARS:
        return f"is too short (it needs {SECRET_CHARS} characters or more)"
    if PLACEHOLDER.search(secret):
        return "is one that others know, or stands for one"
    neighbours = sum(abs(ord(one) - ord(other)) < 2 for one, other in pairwise(secret))
    is_repeated = secret in (secret + secret)[1:-1]
    if len(set(secret)) < LEAST_VARIETY or is_repeated or neighbours * 2 > len(secret):
        return "repeats itself and can be guessed"
    return ""


def ensure_private_file(path: Path) -> None:
    """Make a file that only its owner can read, or make it so; of a SQLite database its companions, too.

    SQLite gives its companions the mode of the database. What cannot be changed is left as it is: it may be somebody else's.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    for name in (path.name, *(f"{path.name}{suffix}" for suffix in ("-wal", "-shm", "-journal"))):
        with contextlib.suppress(OSError):
            descriptor = os.open(path.with_name(name), os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fchmod(descriptor, 0o600)
            finally:
                os.close(descriptor)


def ensure_secret_key(data_dir: Path) -> str:
    """Return Django's secret key from `secret.key`, creating it (384 bit) on the first start."""
    return ensure_key_file(data_dir / "secret.key", lambda: secrets.token_urlsafe(48))


def ensure_key_file(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a key file, made with mode 0600 when it is missing.

    Leaves with EnvError when the directory cannot be written, or the file is a symbolic link, belongs to
    somebody else or can be read by others.
    """
    text = read_key_file(path)
    if text is not None:
        return text
    text = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A complete file appears under its name or none: written beside it, then linked.
        # The name is never one that a killed predecessor left: in a container all have the same process number.
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return read_key_file(path) or text  # another process was first
        finally:
            temporary.unlink()
    except OSError as error:
        raise EnvError(
            f"the data directory {path.parent} cannot be written ({error.strerror}); "
            "set PULSE_DATA_DIR to a directory of the user that runs Pulse"
        ) from None
    return text


def read_key_file(path: Path) -> str | None:
    """Return the text of a key file, None when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EnvError(f"the key file {path} cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, encoding="utf-8") as file:
        facts = os.fstat(file.fileno())
        if facts.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(facts.st_mode) & 0o077:
            raise EnvError(f"the key file {path} is open to others; it must belong to Pulse with mode 0600")
        return file.read().strip()

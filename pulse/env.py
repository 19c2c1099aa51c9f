"""Read settings from the environment; a value that cannot be read stops the start with its name."""

from __future__ import annotations

import os
import re
from pathlib import Path

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
PATH_PART = re.compile(r"[A-Za-z0-9_-]+")


class EnvError(SystemExit):
    """A variable holds a value that cannot be used; leaves with 78, EX_CONFIG of sysexits.h."""

    def __init__(self, message: str) -> None:
        super().__init__(78)
        self.message = message
        os.write(2, f"pulse: {message}\n".encode())


def env_text(name: str, default: str = "") -> str:
    """Return the variable without surrounding blanks, or the default when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, *, default: bool = False) -> bool:
    """Return the variable as a truth value; words other than yes and no are an EnvError."""
    text = env_text(name).lower()
    if not text:
        return default
    if text in TRUE_WORDS:
        return True
    if text in FALSE_WORDS:
        return False
    raise EnvError(f"{name} must be true or false, not {text!r}")


def env_int(name: str, default: int, *, lowest: int, highest: int) -> int:
    """Return the variable as a whole number within the bounds, both included."""
    text = env_text(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise EnvError(f"{name} must be a whole number, not {text!r}") from None
    if not lowest <= value <= highest:
        raise EnvError(f"{name} must be from {lowest} to {highest}, not {value}")
    return value


def env_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Return the variable, one of the choices; spelling is compared in lower case."""
    text = env_text(name, default).lower()
    if text not in choices:
        raise EnvError(f"{name} must be one of {', '.join(choices)}, not {text!r}")
    return text


def env_list(name: str) -> list[str]:
    """Return the comma-separated parts of the variable, trimmed, without empty ones."""
    return [part.strip() for part in env_text(name).split(",") if part.strip()]


def env_ports(name: str) -> frozenset[int]:
    """Return the comma-separated ports of the variable."""
    ports = env_list(name)
    if not all(port.isascii() and port.isdigit() and 0 < int(port) <= 65535 for port in ports):
        raise EnvError(f"{name} must be ports from 1 to 65535, separated by commas")
    return frozenset(map(int, ports))


def env_prefix(name: str, *, taken: frozenset[str]) -> str:
    """Return the variable as the path under which Pulse is shown, `/like/this`, empty for the root.

    `taken` are the first parts of our own paths: under one of them it could not be told which is meant.
    """
    parts = [part for part in env_text(name).split("/") if part]
    if any(not PATH_PART.fullmatch(part) for part in parts) or (parts and parts[0].lower() in taken):
        raise EnvError(
            f"{name} must be a path such as /pulse, of letters, digits, - and _, and none of Pulse's own"
        )
    return "".join(f"/{part}" for part in parts)


def env_secret(name: str) -> str:
    """Return the secret from NAME, or from the file that NAME_FILE names; NAME wins."""
    text = env_text(name)
    path = env_text(f"{name}_FILE")
    if text or not path:
        return text
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvError(f"{name}_FILE names a file that cannot be read: {type(error).__name__}") from None

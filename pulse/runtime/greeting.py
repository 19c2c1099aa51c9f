"""What the person at the terminal is told at the start: where, for whom, and what to do next."""

from __future__ import annotations

import sys
from pathlib import Path

from django.conf import settings

import pulse

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  compared, not bound


def bind_address(*, is_configured: bool) -> str:
    """Return where to listen: PULSE_BIND, else this machine only while nobody else could be let in anyway.

    Source: README.md decision 1 of the contract.
    """
    if settings.PULSE_BIND:
        return str(settings.PULSE_BIND)
    if is_configured or settings.PULSE_AUTH != "auto":
        return EVERY_ADDRESS[0]
    return "127.0.0.1"


def greeting(host: str, port: int, *, is_configured: bool, is_ended: bool = False) -> str:
    """Return the block printed at the start; no secret and no code is ever in it.

    `is_ended`: not even this machine is served without a credential any more.
    """
    lines = [
        f"Pulse {pulse.__version__}",
        f"  address     {address(host, port)}",
        f"  open to     {audience(is_configured=is_configured, is_ended=is_ended)}",
        f"  data        {settings.PULSE_DATA_DIR}",
    ]
    if not is_configured and settings.PULSE_AUTH != "open":
        lines.append(f"  to claim    open /setup with the code that `{command()} claim-code` prints")
        lines.append("  proxies     claim it before you put a reverse proxy or a tunnel in front of it")
    return "\n".join(["", *lines, "", ""])


def address(host: str, port: int) -> str:
    """Return the URL to open."""
    if host in EVERY_ADDRESS:
        return f"http://localhost:{port}/ and every address of this machine"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def audience(*, is_configured: bool, is_ended: bool) -> str:
    """Return who may come in, in words."""
    if is_configured:
        return "whoever signs in or presents a token"
    if settings.PULSE_AUTH == "open":
        return "EVERYBODY who reaches this address, without a password (PULSE_AUTH=open)"
    if settings.PULSE_AUTH == "required":
        return "nobody until it is claimed (PULSE_AUTH=required)"
    if is_ended:
        return "nobody until it is claimed, as the log and /setup say why"
    return "this machine only, without a password, until it is claimed"


def command() -> str:
    """Return how this program was called, so that a sentence can be typed as it stands."""
    name = Path(sys.argv[0]).name
    if name == "pulse":
        return sys.argv[0]
    shim = Path(sys.executable).with_name("pulse")
    return str(shim) if shim.exists() else f"{sys.executable} -m pulse"

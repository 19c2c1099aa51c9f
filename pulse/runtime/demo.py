"""`pulse demo`: everything as in `pulse run`, watching a simulated estate that lives and dies with this process."""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.utils import timezone

from pulse.runtime.refusals import StartRefused

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
ESTATE_SECONDS = 15.0
#: From <sys/prctl.h>: the signal a process gets when its parent dies, however it dies.
PR_SET_PDEATHSIG = 1


def run_demo() -> None:
    """Serve the demo until a signal; its data directory is `data-demo` unless PULSE_DATA_DIR names another."""
    os.environ.setdefault("PULSE_DATA_DIR", str(ROOT / "data-demo"))
    from pulse.runtime.run import run_embedded

    with simulated_estate() as estate:
        run_embedded(prepare=lambda: watch(described(estate)))


@contextlib.contextmanager
def simulated_estate() -> Iterator[subprocess.Popen[bytes]]:
    """Start the fake Proxmox hosts beside us; they get ready while Django loads. Raises StartRefused."""
    if not (ROOT / "tests" / "fake_proxmox").is_dir():
        raise StartRefused("the demo needs the source tree: its simulated hosts are part of the tests")
    estate = subprocess.Popen(
        [sys.executable, "-m", "tests.fake_proxmox", "--estate", "demo", "--json"],
        cwd=ROOT,
        # Nothing of ours: its hosts need no token and no key.
        env={"PATH": os.environ.get("PATH", os.defpath)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        bufsize=0,  # select() below must see every line that has not been read
        preexec_fn=die_with_parent,  # noqa: PLW1509  no thread exists yet
    )
    try:
        yield estate
    finally:
        estate.kill()


def die_with_parent() -> None:
    """Let the kernel end this child when its parent ends, also after kill -9."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def described(estate: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """Return what the estate says about its instances, one JSON line each. Raises StartRefused."""
    assert estate.stdout is not None  # noqa: S101  it was asked for
    instances: list[dict[str, Any]] = []
    while not instances or len(instances) < instances[0]["of"]:
        ready, _, _ = select.select([estate.stdout], [], [], ESTATE_SECONDS)
        line = estate.stdout.readline() if ready else b""
        if not line:
            raise StartRefused("the simulated hosts did not start")
        instances.append(json.loads(line))
    return instances


def watch(instances: list[dict[str, Any]]) -> None:
    """Make the simulated instances the configured ones, under the addresses and certificates of this run."""
    from nodes import editing
    from nodes.drafts import Draft
    from nodes.models import Instance

    editing.allow_loopback(is_allowed=True)  # where the simulated hosts are
    at = timezone.now()
    for simulated in instances:
        draft = Draft(
            kind=simulated["kind"],
            name=simulated["name"],
            host=simulated["url"],
            token_id=simulated["tokenId"],
            token_value=simulated["tokenValue"],
            fingerprint=simulated["fingerprint"],
        )
        existing = Instance.objects.filter(kind=simulated["kind"], name=simulated["name"]).first()
        if existing is None:
            editing.add(draft, at=at)
        else:
            editing.change(existing.pk, draft, at=at)

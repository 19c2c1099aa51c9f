"""Play a case of the field: its hosts answer over HTTPS, time goes on as the test says, and its checks are looked at.

The cases are kept beside the repository, not ours to ship: `replay.py` there serves the answers, `expect.py` reads the checks.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.utils import timezone

from monitoring.collecting import judging, run
from monitoring.polling import polls
from nodes.models import Instance

if TYPE_CHECKING:
    from django.test import Client
    from time_machine import Traveller

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "cases"
#: How long an answer may be wrong after everything was read, where a case says nothing else, and how long it then stays right.
PATIENCE_SECONDS = 20
HOLD_SECONDS = 10
#: A selector of the details of a resource. The cases spell some of their names as our structs do, as the wire did when they were written.
OF_DETAILS = re.compile(r'"/details/[^"]*"')


def player(module: str) -> Any:
    """Return `replay` or `expect`; skips the test where the cases are not at hand, in CI their absence is a failure."""
    if not FOLDER.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"the cases of the field are not in {FOLDER}")
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return importlib.import_module(module)


def expected_of(folder: Path) -> Any:
    """Return the checks of a case, with the names in details as the wire spells them now."""
    text = (folder / "expect.json").read_text()
    return json.loads(
        OF_DETAILS.sub(lambda one: re.sub("_([a-z])", lambda letter: letter[1].upper(), one[0]), text)
    )


class Watching:
    """This installation as a client on its own machine calls it; stands for the `Pulse` of `expect.py`."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def call(self, path: str, body: Any = None) -> Any:
        """Return what a path answers, also with an error; None when it is no JSON."""
        if body is None:
            answer = self.client.get(path)
        else:
            answer = self.client.post(path, json.dumps(body), content_type="application/json")
        try:
            return json.loads(answer.content)
        except ValueError:
            return None


class Case:
    """A case under way. Everything that has a name in it was added, and nothing was polled yet."""

    def __init__(self, folder: Path, estate: Any, client: Client, clock: Traveller) -> None:
        self.plan = json.loads((folder / "servers.json").read_text())
        self.expected = expected_of(folder)
        self.estate, self.clock = estate, clock
        self.watching = Watching(client)
        self.playing = player("expect").Playing(estate, self.watching)
        self.playing.add()

    @property
    def start(self) -> int:
        """The minute in which it began, in epoch seconds."""
        return self.estate.filling.start

    def goes_on(self, seconds: float) -> None:
        """Let so much time go by: each interval everything is polled, the slow lanes take their turn, backups are judged."""
        for _ in range(max(1, round(seconds / settings.POLLING_INTERVAL_SECONDS))):
            self.clock.shift(settings.POLLING_INTERVAL_SECONDS)
            at = timezone.now()
            for pk in list(Instance.objects.polled().order_by("pk").values_list("pk", flat=True)):
                if polls.poll(pk, at):
                    run.collect(pk, at)
            judging.judge_if_due(at)

    def failing(self, part: str) -> list[str]:
        """Return the checks of a part of `expect.json` that do not hold now: `first`, `played` or `right`."""
        checks = self.expected.get(part, [])
        return [f"{part}: {one}" for one in self.playing.look(checks) if not one.holds]

    def holds_within(self, seconds: float, *parts: str) -> None:
        """Let time go on until the checks of these parts hold; an AssertionError tells those that do not in time."""
        end = self.clock_epoch + seconds
        while failing := [line for part in parts for line in self.failing(part)]:
            assert self.clock_epoch < end, "\n".join(failing)
            self.goes_on(0)

    @property
    def clock_epoch(self) -> float:
        """What the clock says, in epoch seconds."""
        return timezone.now().timestamp()

    def is_read(self) -> None:
        """Let it be read, with its second part where it has one, and let follow from it what takes time."""
        self.goes_on(0)
        self.holds_within(self.plan["read_within_seconds"], "first")
        if "later_for_seconds" in self.plan:
            self.estate.later()
            self.goes_on(self.plan["later_for_seconds"])
        self.holds_within(self.plan["read_within_seconds"], "played")
        self.goes_on(self.plan.get("patience_seconds", PATIENCE_SECONDS))

    def is_right(self) -> None:
        """Hold its `expect.json`, now and some time later; an AssertionError tells the checks that do not hold."""
        for seconds in (0, HOLD_SECONDS):
            if seconds:
                self.goes_on(seconds)
            failing = self.failing("played") + self.failing("right")
            assert not failing, "\n".join(failing)

    def told(self, path: str, selector: str = "") -> list[Any]:
        """Return what a selector of the cases finds in what a path answers; `{/vms[name=web]/id}` in it is looked up."""
        self.playing.look(())
        found: list[Any] = self.playing.found({"get": path, "select": selector})
        return found

    def state(self, selector: str) -> list[Any]:
        """Return what a selector finds in the state."""
        return self.told("/api/state", selector)

    def details(self, collection: str, name: str, selector: str = "") -> list[Any]:
        """Return what a selector finds among the details of the resource of this name."""
        return self.told(f"/api/resources/{{/{collection}[name={name}]/id}}", f"/details{selector}")

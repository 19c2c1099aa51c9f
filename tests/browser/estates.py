"""A Pulse of its own process for the browser to look at, and what its page is asked for in every test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.fake_proxmox.process import connection
from tests.ports import own_port
from tests.process.running import PulseProcess, until

#: The shortest that Pulse allows: the tests wait for polls.
POLLING_SECONDS = "3"


class Server:
    """A Pulse that can be stopped and started again at the same address; a context manager."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = own_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.process: PulseProcess | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """It answers when this returns."""
        self.process = PulseProcess(
            self.directory / "data",
            port=self.port,
            log_dir=self.directory,
            POLLING_INTERVAL=POLLING_SECONDS,
        )
        self.process.healthy()
        self.process.allow_loopback()  # also for hosts that are added on the page

    def stop(self) -> None:
        """Nothing listens at its address any more."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def run(self, *command: str) -> None:
        """One command of `pulse` has ended well, on the data of this server."""
        with PulseProcess(
            self.directory / "data", command=("-m", "pulse", *command), log_dir=self.directory
        ) as process:
            assert process.wait_for_exit() == 0, process.log

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer of the API, which must be a success."""
        assert self.process is not None
        status, answer = self.process.request(method, path, body)
        assert status < 300, answer
        return answer

    def watch(self, *instances: dict[str, Any]) -> None:
        """Add hosts, described as the fake describes them, and wait until all of them have answered."""
        for instance in instances:
            self.ask("POST", "/api/config/nodes", connection(instance))
        until(lambda: self._answered(len(instances)), seconds=60, what="all hosts have answered")

    def _answered(self, count: int) -> bool:
        health = self.ask("GET", "/api/state")["connectionHealth"]
        return len(health) == count and all(health.values())


def guest_rows(page: Page) -> Locator:
    """The rows of guests that are drawn now, without the headers of groups."""
    return page.locator("[data-guests] tbody:not(.spacer) tr:not(.group)")


def guest_row(page: Page, name: str) -> Locator:
    """The row of one guest."""
    return guest_rows(page).filter(has=page.get_by_text(name, exact=True))


def wait_for_rows(page: Page) -> None:
    """The first rows stand in the table."""
    expect(guest_rows(page).first).to_be_visible()


def list_rows(page: Page) -> Locator:
    """The rows of the list of backups that are drawn now."""
    return page.locator("[data-backup-list] tbody:not(.spacer) tr")


def list_row(page: Page, name: str) -> Locator:
    """The rows of one name in the list of backups."""
    return list_rows(page).filter(has=page.get_by_text(name, exact=True))


def judged(server: Server) -> None:
    """The backups of all guests have been judged by everything that there is to read."""

    def is_judged() -> bool:
        state = server.ask("GET", "/api/state")
        guests = [*state["vms"], *state["containers"]]
        return bool(guests) and sum(one.get("backupState") == "good" for one in guests) > len(guests) / 2

    until(is_judged, seconds=90, what="the backups have been judged")


def all_read(server: Server, kind: str) -> None:
    """Every place of this kind that can be read has been read."""

    def is_read() -> bool:
        sources = server.ask("GET", "/api/backups/sources")["sources"]
        found = [one["reason"] for one in sources if one["kind"] == kind]
        return bool(found) and "not_read_yet" not in found

    until(is_read, seconds=90, what=f"all {kind} have been read")

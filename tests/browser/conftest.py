"""A real browser before a real server before simulated hosts; whatever the page complains about fails the test."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect, sync_playwright

from tests.browser.estates import Server
from tests.fake_proxmox.process import FakeProcess

CHROMIUM = "/usr/bin/chromium"
FAILURES = Path(__file__).parent / "failures"
#: Long enough for two polls on a busy machine; what is not there then does not come.
WAIT_MS = 15_000

REPORTS = """
  window.cspReports = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    window.cspReports.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
  });
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # A file shares its servers, so one worker takes all of it.
            item.add_marker(pytest.mark.xdist_group(f"browser {item.path.stem}"))


class Pages:
    """Opens pages and keeps what they complain about; `allow` names what a test brings about on purpose."""

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._contexts: list[BrowserContext] = []
        self._allowed: list[str] = []
        self._complaints: list[str] = []
        self.opened: list[Page] = []

    def open(
        self, url: str = "", *, width: int = 1440, height: int = 900, theme: str = "dark", **options: Any
    ) -> Page:
        """Return a page of this size and theme, with cookies of its own."""
        context = self._chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(REPORTS)
        self._contexts.append(context)
        page = context.new_page()
        self.opened.append(page)
        page.on("pageerror", lambda error: self._complaints.append(f"error: {error}"))
        page.on("console", lambda message: self._listen(message.type, message.text))
        page.on("dialog", self._dismiss)
        if url:
            page.goto(url)
        return page

    def allow(self, pattern: str) -> None:
        """Complaints that match the pattern are expected."""
        self._allowed.append(pattern)

    def unexpected(self) -> list[str]:
        """Return all complaints that no test asked for, refusals of the content security policy among them."""
        refused = [
            f"CSP: {report}" for page in self.opened for report in page.evaluate("window.cspReports ?? []")
        ]
        complaints = [*self._complaints, *refused]
        return [text for text in complaints if not any(re.search(one, text) for one in self._allowed)]

    def photograph(self, name: str) -> None:
        """Keep a picture of every page."""
        FAILURES.mkdir(exist_ok=True)
        for number, page in enumerate(self.opened):
            with contextlib.suppress(Exception):
                page.screenshot(path=FAILURES / f"{name}-{number}.png")

    def close(self) -> None:
        """No page is open any more."""
        for context in self._contexts:
            context.close()

    def _listen(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "assert"):
            self._complaints.append(f"console {kind}: {text}")

    def _dismiss(self, dialog: Dialog) -> None:
        self._complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def pages(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Pages]:
    """Pages of the test's own; it fails when one of them complains."""
    expect.set_options(timeout=WAIT_MS)
    pages = Pages(chromium)

    yield pages

    unexpected = pages.unexpected()
    if unexpected or request.node.stash.get(FAILED, True):
        pages.photograph(re.sub(r"[^\w-]+", "-", request.node.name))
    pages.close()
    assert unexpected == []


@pytest.fixture(scope="session")
def demo_hosts() -> Iterator[FakeProcess]:
    with FakeProcess("demo", "--refresh-seconds", "2") as hosts:
        yield hosts


@pytest.fixture(scope="session")
def demo(demo_hosts: FakeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two connections and a backup server, one node of theirs dead; tests only look at it."""
    with Server(tmp_path_factory.mktemp("demo")) as server:
        server.watch(*demo_hosts.instances)
        yield server


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One host of fourteen guests; tests only look at it."""
    with FakeProcess("homelab") as hosts, Server(tmp_path_factory.mktemp("lab")) as server:
        server.watch(*hosts.instances)
        yield server


@pytest.fixture
def home_hosts() -> Iterator[FakeProcess]:
    with FakeProcess("homelab", "--refresh-seconds", "2") as hosts:
        yield hosts


@pytest.fixture
def cluster_hosts() -> Iterator[FakeProcess]:
    with FakeProcess("cluster", "--refresh-seconds", "2") as hosts:
        yield hosts


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Server]:
    """A Pulse that watches nothing yet."""
    with Server(tmp_path) as server:
        yield server


@pytest.fixture
def home(empty: Server, home_hosts: FakeProcess) -> Server:
    """A Pulse of the test's own that watches one host of fourteen guests."""
    empty.watch(*home_hosts.instances)
    return empty


@pytest.fixture
def workshop(empty: Server) -> Iterator[Server]:
    """A Pulse that watches one host, whose account may not list the backups in its storages."""
    with FakeProcess("limited") as hosts:
        empty.watch(*hosts.instances)
        yield empty


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three clusters with 3,008 guests, templates apart."""
    with (
        FakeProcess("large", "--clusters", "3", "--nodes", "8", "--guests", "1040") as hosts,
        Server(tmp_path_factory.mktemp("large")) as server,
    ):
        server.watch(*hosts.instances)
        yield server


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One host and one cluster where every text that a person can write is a payload."""
    with (
        FakeProcess("demo", "--hostile") as hosts,
        Server(tmp_path_factory.mktemp("hostile")) as server,
    ):
        hosts.request("POST", "/fault", {"kind": "hostile-names", "path": "/cluster/status"})
        server.watch(*hosts.instances)
        yield server

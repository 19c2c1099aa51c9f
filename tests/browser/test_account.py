"""The menu of the account, the page of the own password, and what stays in the browser when somebody leaves."""

from __future__ import annotations

import pytest
import requests
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Pages
from tests.browser.estates import Server
from tests.browser.test_reach import THEMES, assert_accessible

PASSWORD = "correct horse battery"
NEW = "another long password"


@pytest.fixture
def claimed(empty: Server) -> Server:
    """A Pulse with the account of ada."""
    empty.run("claim-code")
    code = (empty.directory / "data" / "claim.code").read_text().strip()
    form = {"code": code, "username": "ada", "password": PASSWORD, "password_again": PASSWORD}
    own = empty.url.rstrip("/")
    answer = requests.post(f"{own}/setup", form, headers={"Origin": own}, allow_redirects=False, timeout=10)
    assert answer.status_code == 302
    return empty


def sign_in(pages: Pages, server: Server, path: str = "", password: str = PASSWORD, **options) -> Page:
    """Return a page of this address, for ada."""
    page = pages.open(f"{server.url}{path}", **options)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server.url}{path}")
    return page


def kept(page: Page) -> list[str]:
    """Return the names under which the browser keeps something for this address."""
    return page.evaluate("Object.keys(localStorage)")


@THEMES
def test_the_own_password_is_changed_on_a_phone_and_ends_the_other_page(claimed, pages, theme):
    pages.allow("401|no valid credentials")
    page = sign_in(pages, claimed, width=360, height=780, theme=theme)
    other = sign_in(pages, claimed)

    page.get_by_role("button", name="Account ada").click()
    page.get_by_role("link", name="Change password").click()
    expect(page.get_by_text("one that many people use")).to_be_visible()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_label("Your password now").fill("wrong")
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("New password again").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("This is not your password.")).to_be_visible()
    page.get_by_label("Your password now").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("New password again").fill(NEW)
    page.get_by_role("button", name="Change password").click()

    expect(page.get_by_role("status")).to_have_text(
        "Your password is changed. All other sessions of this account have ended."
    )
    other.wait_for_url(f"{claimed.url}login**")
    sign_in(pages, claimed, password=NEW)


@pytest.mark.parametrize("path", ["", "simple-stats", "api/docs"], ids=["dashboard", "figures", "api"])
def test_whoever_signs_out_leaves_nothing_in_the_browser(claimed, pages, path):
    page = sign_in(pages, claimed, path)
    page.evaluate("localStorage.setItem('pulse.collapsed', '[\"lab-pve1\"]')")

    page.get_by_role("button", name="Account ada").click()
    page.get_by_role("button", name="Sign out").click()

    page.wait_for_url(f"{claimed.url}login")
    assert kept(page) == []


@pytest.mark.parametrize("path", ["", "simple-stats"], ids=["dashboard", "figures"])
def test_a_page_whose_session_has_ended_goes_to_the_sign_in(claimed, pages, path):
    pages.allow("401|no valid credentials")
    page = sign_in(pages, claimed, path)
    page.evaluate("localStorage.setItem('pulse.collapsed', '[\"lab-pve1\"]')")

    page.request.post(f"{claimed.url}logout", headers={"Origin": claimed.url.rstrip("/")})

    page.wait_for_url(f"{claimed.url}login**")
    assert kept(page) == []


def test_the_sign_in_finds_nothing_of_whoever_was_there_before(claimed, pages):
    page = pages.open(f"{claimed.url}login")
    page.evaluate("localStorage.setItem('pulse.collapsed', '[\"lab-pve1\"]')")

    page.reload()

    page.wait_for_function("localStorage.length === 0")


def test_over_tls_a_browser_takes_the_theme_under_its_protected_name(empty, pages):
    page = pages.open()

    def pass_on(route: Route) -> None:
        """Serve as a proxy does that speaks TLS with the browser."""
        answer = requests.get(route.request.url.replace("https://pulse.test/", empty.url), timeout=10)
        route.fulfill(
            status=answer.status_code, body=answer.content, content_type=answer.headers["Content-Type"]
        )

    page.route("https://pulse.test/**", pass_on)
    page.goto("https://pulse.test/setup")

    page.get_by_role("button", name="Theme: as the system").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies("https://pulse.test/")}
    theme = cookies["__Host-pulse_theme"]
    assert (theme["value"], theme["secure"], theme["path"]) == ("light", True, "/")
    assert "pulse_theme" not in cookies


@pytest.mark.parametrize("tab", ["constructor", "toString", "__proto__"])
def test_a_tab_that_is_none_is_the_overview(claimed, pages, tab):
    page = sign_in(pages, claimed)
    page.goto(f"{claimed.url}?tab={tab}")

    expect(page.locator("[data-heading]")).to_have_text("Overview")
    expect(page.locator("[data-dashboard]")).to_have_attribute("data-tab", "overview")

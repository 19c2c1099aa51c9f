"""What a person does is seen at once, also with 3,000 guests; the page itself is light."""

from __future__ import annotations

import gzip
import re
import statistics

import pytest
from playwright.sync_api import expect

from tests.browser.estates import guest_rows, wait_for_rows

pytestmark = pytest.mark.speed

LONGEST_MS = 100
ROUNDS = 8
#: All that the first view fetches, compressed; the icons are part of the page.
LARGEST_BYTES = 75_000

#: From the input to the message after the frame that shows its result.
TIMED = """
  async (act) => {
    const painted = () => new Promise((resolve) => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = resolve;
      channel.port2.postMessage(0);
    }));
    await painted();
    const start = performance.now();
    ACT;
    await painted();
    return performance.now() - start;
  }
"""


def timed(page, act: str) -> float:
    """Return milliseconds from an action in the page until its result is painted."""
    return page.evaluate(TIMED.replace("ACT", act))


def typed(text: str) -> str:
    return f"""
      const input = document.querySelector("[data-filter]");
      input.value = "{text}";
      input.dispatchEvent(new Event("input", {{ bubbles: true }}))
    """


def pressed(column: str) -> str:
    return f"document.querySelector('[data-column={column}]').click()"


def assert_quick(page, name: str, actions: list[str]) -> None:
    """The median action is painted in time, in the quietest of a few rounds: other programs want the processor too."""
    medians: list[float] = []
    while len(medians) < ROUNDS and min(medians, default=LONGEST_MS) >= LONGEST_MS:
        times = [timed(page, action) for action in actions]
        medians.append(statistics.median(times))
    print(
        f"{name}: medians of {[round(median) for median in medians]} ms, last {[round(one) for one in times]}"
    )
    assert min(medians) < LONGEST_MS


@pytest.fixture
def page(large, pages):
    page = pages.open(large.url, width=1440, height=900)
    wait_for_rows(page)
    expect(page.locator("[data-count]")).to_have_text("3008")
    return page


def test_the_filter_answers_within_100_ms(page):
    assert_quick(
        page,
        "filter",
        [typed(text) for text in ("w", "we", "web", "web-0", "db", "prod", "c02-n", "nothing", "")],
    )

    expect(page.locator("[data-count]")).to_have_text("3008")


def test_sorting_answers_within_100_ms(page):
    assert_quick(
        page, "sort", [pressed(one) for one in ("name", "memory", "uptime", "netin", "status", "vmid", "cpu")]
    )

    expect(page.locator("th[data-sortable=cpu]")).to_have_attribute("aria-sort", re.compile("ending$"))


def test_only_visible_rows_exist(page):
    page.get_by_label("Group").select_option("none")
    expect(page.locator("[data-guests] .group")).to_have_count(0)

    assert guest_rows(page).count() < 80
    assert page.locator("[data-guests]").get_attribute("aria-rowcount") == "3009"


def test_the_last_guest_is_reached_by_scrolling(page):
    page.goto(f"{page.url}?group=none&sort=vmid")
    wait_for_rows(page)

    page.locator("[data-guests]").evaluate("(table) => table.scrollIntoView({ block: 'end' })")

    last = page.locator("[data-guests] tr[aria-rowindex='3009']")
    expect(last).to_be_in_viewport()


def test_the_first_view_is_light(demo, pages):
    page = pages.open()
    sizes = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(gzip.compress(answer.body()))}))
    page.goto(demo.url)
    wait_for_rows(page)

    print("gzipped", sum(sizes.values()), "requests", len(sizes))
    assert sum(sizes.values()) < LARGEST_BYTES
    assert len(sizes) <= 20


def test_nothing_is_fetched_from_anywhere_else(demo, pages):
    page = pages.open()
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(demo.url)
    wait_for_rows(page)

    assert [url for url in urls if not url.startswith((demo.url, "data:"))] == []
    assert f"{demo.url}static/pulse/js/app.js" in urls

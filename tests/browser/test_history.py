"""The charts of the panel, with made-up histories: gaps, spans, events, what Proxmox tells, and what hands can do."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.histories import GUEST, NODE, USE, MadeUp, backfill, event
from tests.browser.test_reach import THEMES, assert_accessible
from tests.process.running import until

NOW = int(time.time())
GUEST_PANEL = "#resource/homelab-pve-105"
#: What the canvas of a chart shows, as shares of its pixels: drawn at all, and of the colour of its first line.
DRAWN = """
  (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let drawn = 0;
    for (let at = 3; at < data.length; at += 4) if (data[at]) drawn += 1;
    return drawn / (data.length / 4);
  }
"""


@pytest.fixture
def hurried(pages):
    """A page whose clock the test moves on; its feed takes a jump for silence, and is linked again when the page closes."""
    page = pages.open()
    page.clock.install()

    yield page

    expect(page.locator("[data-live]")).to_have_attribute("data-state", re.compile("^(live|stale)$"))


def section(page):
    return page.locator("[data-resource-history]")


def chart(page, name):
    return section(page).locator(f"[data-chart={name}]")


def opened(page, server, *, backfills=(), panel=GUEST_PANEL, metrics=GUEST, **others):
    """The panel is open and its charts are drawn; returns what answers in the place of the API."""
    made_up = MadeUp(page, metrics, end=NOW, **others)
    made_up.backfills = list(backfills)
    page.goto(f"{server.url}{panel}")
    expect(section(page).locator(".chart, .history-waiting[role=status]").first).to_be_visible()
    return made_up


def test_a_guest_has_six_charts_each_with_its_sentence(lab, pages):
    page = pages.open()
    made_up = opened(page, lab)

    expect(section(page).get_by_role("heading", level=4)).to_have_text(
        ["CPU", "Memory", "Disk", "Network", "Disk reads and writes", "Pressure"]
    )
    expect(section(page).locator("canvas")).to_have_count(6)
    picture = chart(page, "cpu").get_by_role("img")
    expect(picture).to_have_attribute(
        "aria-label",
        re.compile(
            "^CPU over the last hour: [0-9.]+\u202f% to [0-9.]+\u202f%, [0-9.]+\u202f% on average, [0-9.]+\u202f% now\\.$"
        ),
    )
    assert chart(page, "cpu").locator("canvas").evaluate(DRAWN) > 0.05
    assert made_up.asked[0]["range"] == "1h"
    width = chart(page, "cpu").locator(".u-over").evaluate("(one) => one.clientWidth")
    assert width - 4 <= int(made_up.asked[0]["points"]) <= width


def test_the_samples_of_the_polls_are_drawn_as_they_come(lab, pages):
    def known():
        series = lab.ask("GET", "/api/resources/homelab-pve-105/history?range=1h&metric=cpu")["series"]
        return sum(one is not None for one in series["cpu"]["mean"])

    until(lambda: known() >= 2, seconds=60, what="two samples have been taken")
    page = pages.open(f"{lab.url}{GUEST_PANEL}")

    expect(chart(page, "cpu").locator("canvas")).to_be_visible()
    expect(chart(page, "cpu").locator(".legend b")).to_have_text(re.compile("^[0-9.]+\u202f%$"))
    expect(chart(page, "guestMemory").locator(".legend li").first).to_contain_text("of 512\u202fMiB")
    href = chart(page, "cpu").get_by_role("link", name="CSV of CPU").get_attribute("href")
    lines = page.request.get(f"{lab.url.rstrip('/')}{href}").text().splitlines()
    assert lines[0] == "time,resource,part,cpu,cpu_low,cpu_high"


def test_nothing_of_the_charts_is_loaded_before_a_panel_opens(lab, pages):
    page = pages.open()
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(lab.url)
    expect(page.locator("[data-live]")).to_have_attribute("data-state", "live")

    assert [url for url in urls if "uplot" in url or "chart" in url or "history" in url] == []


def test_a_range_is_chosen_remembered_and_asked_for(lab, pages):
    page = pages.open()
    made_up = opened(page, lab)

    section(page).get_by_role("radio", name="7 d").click()
    expect(section(page)).to_contain_text("a point for each 1\u202fh")
    page.reload()
    expect(chart(page, "cpu")).to_be_visible()

    expect(section(page).get_by_role("radio", name="7 d")).to_be_checked()
    assert [one["range"] for one in made_up.asked] == ["1h", "7d", "7d"]


def dragged(page, name, start, end):
    """The pointer has drawn a span over a chart, from one share of its width to another."""
    box = chart(page, name).locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] * start, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, box["y"] + 42, steps=3)
    page.mouse.move(box["x"] + box["width"] * end, box["y"] + 44, steps=3)
    page.mouse.up()


def test_a_drag_reads_that_span_finer_and_back_is_what_was_before(lab, pages):
    page = pages.open()
    made_up = opened(page, lab)
    section(page).get_by_role("radio", name="24 h").click()
    expect(section(page)).to_contain_text("a point for each 5\u202fmin")

    dragged(page, "network", 0.5, 0.6)

    expect(section(page)).to_contain_text("a point for each 1\u202fmin")
    asked = made_up.asked[-1]
    assert 7800 <= int(asked["end"]) - int(asked["start"]) <= 9500
    assert "range" not in asked
    section(page).get_by_role("button", name="Back").click()
    expect(section(page)).to_contain_text("a point for each 5\u202fmin")
    assert made_up.asked[-1]["range"] == "24h"


def test_a_double_click_is_one_step_back(lab, pages):
    page = pages.open()
    made_up = opened(page, lab)
    section(page).get_by_role("button", name="Closer").click()
    expect(section(page).locator(".span-shown")).to_be_visible()

    chart(page, "cpu").locator(".u-over").dblclick()

    expect(section(page).locator(".span-shown")).to_have_count(0)
    assert made_up.asked[-1]["range"] == "1h"


def test_who_cannot_drag_goes_closer_earlier_and_later_by_buttons(lab, pages):
    page = pages.open()
    made_up = opened(page, lab)
    later = section(page).get_by_role("button", name="Later")
    expect(later).to_be_disabled()

    section(page).get_by_role("button", name="Closer").click()
    section(page).get_by_role("button", name="Earlier").click()

    expect(later).to_be_enabled()
    spans = [(int(one["end"]) - int(one["start"])) for one in made_up.asked[1:]]
    assert spans == [1800, 1800]
    assert int(made_up.asked[1]["end"]) - int(made_up.asked[2]["end"]) == 900


def test_the_crosshair_is_on_all_charts_and_their_legends_tell_that_instant(lab, pages):
    page = pages.open()
    opened(page, lab)
    expect(chart(page, "cpu").locator(".legend")).to_contain_text("mean")

    chart(page, "cpu").locator(".u-over").hover(position={"x": 200, "y": 50})

    times = section(page).locator(".chart-time")
    expect(times).to_have_count(6)
    assert len(set(times.all_text_contents())) == 1
    expect(times.first).to_have_text(re.compile(r"\d\d:\d\d:\d\d$"))
    expect(chart(page, "cpu").locator(".legend")).to_have_text(
        re.compile("^CPU[0-9.]+\u202f%[0-9.]+\u202f% to [0-9.]+\u202f%$")
    )
    expect(section(page).locator(".u-cursor-x:not(.u-off)")).to_have_count(6)
    page.mouse.move(5, 5)
    expect(times).to_have_count(0)


def test_the_arrow_keys_move_the_crosshair(lab, pages):
    page = pages.open()
    opened(page, lab)
    chart(page, "cpu").get_by_role("img").focus()

    page.keyboard.press("Home")
    first = section(page).locator(".chart-time").first.text_content()
    page.keyboard.press("ArrowRight")
    expect(section(page).locator(".chart-time").first).not_to_have_text(first)

    second = section(page).locator(".chart-time").first.text_content()
    at = [text.split(", ")[1].split(":") for text in (first, second)]
    seconds = [int(hours) * 3600 + int(minutes) * 60 + int(rest) for hours, minutes, rest in at]
    assert (seconds[1] - seconds[0]) % 86_400 == 10


def test_a_finger_points(lab, pages):
    page = pages.open(width=360, height=740, has_touch=True)
    opened(page, lab)
    over = chart(page, "cpu").locator(".u-over")
    over.scroll_into_view_if_needed()

    over.tap(position={"x": 100, "y": 40})

    expect(section(page).locator(".chart-time").first).to_be_visible()
    expect(section(page).locator(".span-shown")).to_have_count(0)


def test_what_happened_is_listed_with_shape_word_and_outcome_and_points_into_the_charts(lab, pages):
    page = pages.open()
    events = [
        event("backup", "vzdump to nas", NOW - 1800),
        event("configuration", "memory: 512 → <b>1024</b>", NOW - 600, outcome="failed"),
    ]
    opened(page, lab, events=events)

    lines = section(page).locator(".history-events li")
    expect(lines).to_have_count(2)
    expect(lines.first).to_contain_text("Configuration")
    expect(lines.first).to_contain_text("memory: 512 → <b>1024</b>")
    expect(lines.first.locator(".status")).to_have_text("failed")
    expect(lines.nth(1)).to_contain_text("took 1\u202fmin")
    lines.nth(1).get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(section(page).locator(".chart-time").first).to_be_visible()


def test_many_events_are_folded(lab, pages):
    page = pages.open()
    opened(page, lab, events=[event("task", f"task {number}", NOW - 20 * number) for number in range(1, 120)])

    expect(section(page).locator(".history-events li")).to_have_count(6)
    section(page).get_by_role("button", name="Show all 119").click()

    expect(section(page).locator(".history-events li")).to_have_count(119)


def test_what_proxmox_told_is_shaded_and_said_to_be_so(lab, pages):
    page = pages.open()
    opened(page, lab, told_share=0.5)
    expect(section(page)).to_contain_text(re.compile(r"Until .* from Proxmox's own records: shaded\."))

    chart(page, "cpu").locator(".u-over").hover(position={"x": 150, "y": 50})

    expect(chart(page, "cpu").locator(".legend")).to_contain_text("Proxmox")
    ground = """(canvas) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(0, Math.round(height * 0.08), width, 1);
      return [0.22, 0.95].map((share) => data[Math.round(width * share) * 4 + 3]);
    }"""
    shaded, plain = chart(page, "disk").locator("canvas").evaluate(ground)
    assert shaded > plain


def test_of_what_has_no_sample_at_all_the_page_says_when_the_first_will_come(lab, pages):
    page = pages.open()
    made_up = opened(page, lab, known_ranges=())

    expect(section(page).get_by_role("status")).to_have_text(
        "No samples yet. Pulse takes one with each poll and shows them here after a minute."
    )
    assert [one["range"] for one in made_up.asked] == ["1h", "2y"]


def test_a_range_without_samples_says_since_when_there_are_any(lab, pages):
    page = pages.open()
    opened(page, lab, known_ranges=("2y",))

    expect(section(page).get_by_role("status")).to_have_text(
        re.compile(r"^No samples in this range\. The first that is kept is of \w{3} \d+ \w{3}, \d\d:\d\d\.$")
    )


def test_a_failure_is_told_and_tried_again(lab, pages):
    pages.allow("503")
    page = pages.open()
    made_up = MadeUp(page, GUEST, end=NOW)
    made_up.failure = 503
    page.goto(f"{lab.url}{GUEST_PANEL}")
    notice = section(page).get_by_role("status")
    expect(notice).to_contain_text("The history cannot be read: The history is being put in order.")

    made_up.failure = 0
    notice.get_by_role("button", name="Try again").click()

    expect(chart(page, "cpu")).to_be_visible()
    expect(notice).to_have_count(0)


def test_the_newest_samples_come_while_somebody_looks_and_no_sooner_than_in_thirty_seconds(lab, hurried):
    page = hurried
    made_up = opened(page, lab)

    page.clock.run_for(25_000)
    before = len(made_up.asked)
    page.clock.run_for(10_000)
    expect(section(page)).to_contain_text("follows")
    with page.expect_request("**/history?*"):
        page.clock.run_for(31_000)

    assert before == 1
    section(page).get_by_role("radio", name="7 d").click()
    page.clock.run_for(1000)
    expect(section(page)).to_contain_text("a point for each 1\u202fh")
    settled = len(made_up.asked)
    page.clock.run_for(40_000)
    assert len(made_up.asked) == settled


def test_samples_can_be_read_as_a_table_and_taken_as_a_file(lab, pages):
    page = pages.open()
    opened(page, lab)
    button = chart(page, "network").get_by_role("button", name="Table of Network")

    button.click()

    table = chart(page, "network").get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["Time", "In", "Out"])
    expect(table.get_by_role("row").nth(1)).to_contain_text("KiB/s")
    expect(button).to_have_attribute("aria-expanded", "true")
    href = chart(page, "network").get_by_role("link", name="CSV of Network").get_attribute("href")
    assert (
        href == "/api/resources/homelab-pve-105/history?range=1h&points=1000&metric=netin%2Cnetout&format=csv"
    )


def test_a_storage_tells_how_much_it_uses_of_what_it_has(lab, pages):
    storage = lab.ask("GET", "/api/state")["storage"][0]["id"]
    page = pages.open()
    opened(page, lab, panel=f"#resource/{storage}", metrics=USE)

    legend = chart(page, "used").locator(".legend")

    expect(legend).to_contain_text(re.compile("^Used[56][0-9]{2}\u202fGiBof 800\u202fGiB, 7[0-9]\u202f%"))
    expect(chart(page, "usage").locator("canvas")).to_be_visible()


def test_a_pool_of_a_node_has_a_history_of_its_own(lab, pages):
    page = pages.open()
    made_up = opened(page, lab, panel="#resource/homelab-pve", metrics=NODE)
    pick = section(page).get_by_label("History of")
    expect(pick).to_be_visible(timeout=40_000)

    pick.select_option(index=1)

    expect(section(page).get_by_role("heading", level=4)).to_have_text(["Used", "Usage"])
    assert made_up.asked[-1]["part"].startswith("pool:")


def test_another_resource_has_no_charts_of_the_one_before(lab, pages):
    page = pages.open()
    opened(page, lab)
    page.keyboard.press("Escape")
    expect(section(page).locator(".chart")).to_have_count(0)

    page.get_by_role("link", name="home-assistant").click()

    expect(chart(page, "cpu")).to_be_visible()


def test_the_numbers_stand_alone_and_the_charts_come_back(lab, pages):
    page = pages.open()
    opened(page, lab)

    page.get_by_role("link", name="Where do these numbers come from?").click()
    expect(section(page)).to_be_hidden()
    page.get_by_role("link", name="Details").click()

    expect(chart(page, "cpu").locator("canvas")).to_be_visible()


def test_the_reading_of_proxmox_records_is_followed_and_what_it_found_is_drawn(lab, hurried):
    page = hurried
    made_up = opened(page, lab, backfills=[backfill()])
    line = section(page).locator(".backfill")
    expect(line).to_contain_text("Reading Proxmox's own records from before it was watched: 7 of 21")
    before = len(made_up.asked)

    made_up.backfills = [backfill(done=20)]
    page.clock.run_for(4000)
    expect(line).to_contain_text("20 of 21")
    made_up.backfills = [backfill(state="done")]
    page.clock.run_for(4000)

    expect(line).to_have_count(0)
    assert len(made_up.asked) == before + 1


def test_it_is_cancelled_by_who_may_change_settings(lab, pages):
    page = pages.open()
    made_up = opened(page, lab, backfills=[backfill()])

    section(page).get_by_role("button", name="Cancel").click()

    expect(section(page).locator(".backfill")).to_have_count(0)
    assert made_up.cancelled == ["POST /api/history/backfills/4/cancel"]


def test_without_anything_to_read_nobody_asks_again(lab, hurried):
    page = hurried
    asked = []
    page.on(
        "request",
        lambda request: asked.append(request.url) if request.url.endswith("/api/history/backfills") else None,
    )
    opened(page, lab, backfills=[backfill(state="done")])

    page.clock.run_for(20_000)

    assert len(asked) == 1


#: The forecast of a resource and of a part of it, as if the server told them.
FORECAST = """
  const response = Response.prototype.json;
  Response.prototype.json = async function () {
    const answer = await response.call(this);
    if (!answer?.details) return answer;
    const at = (days) => new Date(Date.now() + days * 86_400_000).toISOString();
    const growing = { state: "growing", fullAt: at(21), earliest: at(14), latest: at(40), bytesPerDay: 3221225472 };
    answer.details.forecast = growing;
    answer.details.partForecasts = { "pool:rpool": { state: "not_growing" } };
    return answer;
  };
"""


def test_what_fills_says_when_it_is_full(lab, pages):
    storage = lab.ask("GET", "/api/state")["storage"][0]["id"]
    page = pages.open()
    page.add_init_script(FORECAST)
    opened(page, lab, panel=f"#resource/{storage}", metrics=USE)

    expect(chart(page, "used").locator(".forecast")).to_have_text(
        re.compile(r"^Full in about 3 weeks \(between .* and .*\), as it grows by 3\.0\u202fGiB a day\.$")
    )
    expect(chart(page, "usage").locator(".forecast")).to_have_count(0)
    expect(page.locator("[data-resource-body]")).to_contain_text("Fullin about 3 weeks")


def test_a_pool_says_so_in_its_row_and_its_chart(lab, pages):
    page = pages.open()
    page.add_init_script(FORECAST)
    opened(page, lab, panel="#resource/homelab-pve", metrics=NODE)
    row = (
        page.locator("[data-resource]")
        .get_by_role("region", name="Pools")
        .get_by_role("row", name=re.compile("rpool"))
    )
    expect(row).to_contain_text("not growing", timeout=40_000)

    section(page).get_by_label("History of").select_option("pool:rpool")

    expect(chart(page, "used").locator(".forecast")).to_have_text("It is not growing.")


@THEMES
def test_the_charts_have_no_violation(lab, pages, theme):
    page = pages.open(theme=theme)
    opened(
        page,
        lab,
        told_share=0.4,
        events=[event("backup", "vzdump", NOW - 900), event("task", "no", NOW - 400, outcome="failed")],
    )
    section(page).get_by_role("button", name="Closer").click()
    expect(section(page).locator(".span-shown")).to_be_visible()
    chart(page, "cpu").get_by_role("button").click()

    assert_accessible(page)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_lines_have_the_colours_of_the_theme_and_follow_it(lab, pages, theme):
    page = pages.open(theme=theme)
    opened(page, lab)
    wanted = {"dark": "light", "light": "dark"}[theme]
    canvas = chart(page, "cpu").locator("canvas")
    before = canvas.evaluate("(one) => one.toDataURL()")

    page.evaluate(f"document.documentElement.dataset.theme = '{wanted}'")

    expect(chart(page, "cpu").locator(".swatch")).to_be_visible()
    page.wait_for_function(
        "(old) => document.querySelector('[data-chart=cpu] canvas').toDataURL() !== old", arg=before
    )


def test_the_charts_fit_a_phone(lab, pages):
    page = pages.open(width=360, height=740)
    opened(page, lab, events=[event("backup", "a long text " * 12, NOW - 900)])
    body = page.locator("[data-resource] .dialog-body")

    assert body.evaluate("(one) => one.scrollWidth") == 360
    width = chart(page, "cpu").locator("canvas").evaluate("(one) => one.getBoundingClientRect().width")
    assert width == pytest.approx(328, abs=2)

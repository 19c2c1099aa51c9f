"""The page of the API: it shows every operation, lets one be tried, and needs no script but ours."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize(("width", "theme"), [(1440, "dark"), (1440, "light"), (360, "dark")])
def test_the_page_shows_the_operations_by_subject(width, theme, empty, pages):
    page = pages.open(f"{empty.url}api/docs", width=width, theme=theme)

    expect(page.locator(".opblock")).to_have_count(52)
    expect(page.locator(".opblock-tag").first).to_contain_text("Monitoring")
    page.locator("#operations-Instances-post_config_nodes .opblock-summary-control").click()
    expect(page.locator("#operations-Instances-post_config_nodes")).to_contain_text("starts at once")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    colours = page.evaluate(
        "['body', '.swagger-ui'].map((one) => getComputedStyle(document.querySelector(one)).backgroundColor)"
    )
    assert "rgb(14, 17, 22)" in colours if theme == "dark" else "rgb(245, 246, 248)" in colours


def test_a_request_is_tried_on_the_page(empty, pages):
    page = pages.open(f"{empty.url}api/docs")
    version = page.locator("#operations-About-get_version")
    version.locator(".opblock-summary-control").click()

    version.get_by_role("button", name="Try it out").click()
    version.get_by_role("button", name="Execute").click()

    expect(version.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(version.locator(".live-responses-table")).to_contain_text('"runtime": "python"')

"""The scripts and pages of the product: text stays text, nothing is kept in the browser but choices, nothing comes from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {path.name: path.read_text() for path in (ROOT / "pulse/static/pulse/js").glob("*.js")}
TEMPLATES = {
    path.name: path.read_text()
    for folder in (ROOT, ROOT / "monitoring")
    for path in folder.glob("templates/**/*.html")
}


def matches(pattern: str, texts: dict[str, str]) -> list[str]:
    """Return what the pattern finds, each after the name of its file."""
    return sorted(f"{name}: {found}" for name, text in texts.items() for found in re.findall(pattern, text))


@pytest.mark.parametrize(
    "sink",
    [
        r"\b(?:inner|outer)HTML\b",
        r"\binsertAdjacentHTML\b",
        r"\bdocument\.write\b",
        r"\bcreateContextualFragment\b",
        r"\bDOMParser\b",
        r"\bsrcdoc\b",
        r"\beval\s*\(",
        r"\bnew Function\b",
        r"\bset(?:Timeout|Interval)\(\s*[\"'`]",
        r"\bdangerouslySetInnerHTML\b",
        r"\bjavascript:",
    ],
)
def test_no_script_makes_markup_or_code_of_text(sink):
    assert matches(sink, SCRIPTS) == []
    assert len(SCRIPTS) > 25


def test_the_browser_keeps_the_theme_and_three_choices_of_the_page_and_nothing_else():
    assert matches(r"localStorage\.setItem\(([^,]+)", SCRIPTS) == ["page.js: KEPT + name"]
    assert matches(r"\bremember\(([^,]+),", SCRIPTS) == [
        'app.js: "trends"',
        "app.js: COLLAPSED",
        "history.js: RANGE",
        "page.js: name",
    ]
    assert 'COLLAPSED = "collapsed"' in SCRIPTS["app.js"]
    assert 'RANGE = "range"' in SCRIPTS["history.js"]
    assert matches(r"sessionStorage|indexedDB|caches\.open|serviceWorker", SCRIPTS) == []
    assert matches(r"document\.cookie\b", SCRIPTS) == ["theme.js: document.cookie"]
    assert matches(r"document\.cookie = `(\$\{\w+\})=", SCRIPTS) == ["theme.js: ${COOKIE}"]
    assert matches(r"COOKIE = `.*(pulse_\w+)`", SCRIPTS) == ["theme.js: pulse_theme"]


def test_no_script_takes_messages_of_other_windows_or_scripts_of_other_sites():
    assert matches(r"postMessage|\.onmessage|opener\b|jsonp", SCRIPTS) == []
    assert [found for found in matches(r"https?://[\w.-]+", SCRIPTS) if "www.w3.org" not in found] == []


def test_no_page_loads_from_elsewhere_or_holds_a_script_of_its_own():
    assert matches(r"(?:src|href)=[\"']?(?:https?:)?//[^\s\"'>]+", TEMPLATES) == []
    assert matches(r"<script(?![^>]*\ssrc=)[^>]*>", TEMPLATES) == []
    assert matches(r"\son[a-z]+=[\"']|\sstyle=[\"']", TEMPLATES) == []
    assert len(TEMPLATES) > 20


def test_every_form_carries_its_proof():
    forms = matches(r"<form[^>]*method=\"post\"[^>]*>(?:(?!</form>)[\s\S])*", TEMPLATES)

    assert len(forms) == 5
    assert [form.partition(":")[0] for form in forms if "{% csrf_token %}" not in form] == []

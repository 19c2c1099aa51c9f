"""Log lines: one line per event, no control characters, no credential."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from pulse.lib.logs import JsonFormatter, TextFormatter, clean


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    """Return a log record of a fixed instant."""
    trace = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("nodes.polling", logging.WARNING, "file.py", 1, message, args, trace)
    made.created = 1767268800.25
    return made


def raised(error: Exception) -> Exception:
    """Return the error with a traceback."""
    try:
        raise error
    except type(error):
        return sys.exc_info()[1]


def test_a_text_line_has_time_level_logger_and_message():
    assert (
        TextFormatter().format(record("lab: %s", "gone"))
        == "2026-01-01T12:00:00Z warning nodes.polling: lab: gone"
    )


def test_a_json_line_is_one_object():
    line = JsonFormatter().format(record("lab: %s", "gone"))

    assert json.loads(line) == {
        "time": "2026-01-01T12:00:00.250+00:00",
        "level": "warning",
        "logger": "nodes.polling",
        "message": "lab: gone",
    }


def test_a_name_from_a_host_cannot_forge_a_second_line():
    line = TextFormatter().format(
        record("guest %s", "web\n2026-01-01T12:00:00Z info root: all is well\x1b[2J")
    )

    assert "\n" not in line
    assert "web\\x0a2026" in line
    assert "\x1b" not in line


def test_the_lines_of_a_traceback_are_indented_and_clean():
    text = TextFormatter().format(record("failed", error=raised(ValueError("bad\x1bvalue"))))

    lines = text.split("\n")
    assert lines[0].endswith("failed")
    assert all(line.startswith("    ") for line in lines[1:])
    assert lines[-1] == "    ValueError: bad\\x1bvalue"


def test_a_json_traceback_is_in_the_object():
    entry = json.loads(JsonFormatter().format(record("failed", error=raised(ValueError("bad")))))

    assert "ValueError: bad" in entry["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "PVEAPIToken=pulse@pve!monitor=CANARY",
        "PBSAPIToken=pulse@pbs!monitor:CANARY",
        "Cookie: PVEAuthCookie=CANARY",
        "X-API-Token: CANARY",
        "Authorization: Bearer CANARY",
        '{"password": "CANARY"}',
        "{'tokenValue': 'CANARY'}",
        "API_TOKEN=CANARY",
    ],
)
def test_whatever_looks_like_a_credential_is_hidden(text):
    assert "CANARY" not in clean(f"before {text} after")
    assert "[hidden]" in clean(text)

"""Log lines: one line per event, no control characters, no credential."""

from __future__ import annotations

import json
import logging
import sys
import time

import pytest

from pulse.lib.logs import JsonFormatter, StrangersFilter, TextFormatter, clean


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
        "Authorization: Basic CANARY",
        "Authorization: PVEAPIToken=pulse@pve!monitor=CANARY",
        "{'X-API-Token': 'CANARY'}",
        "(b'authorization', b'Bearer CANARY')",
        "CSRFPreventionToken: CANARY",
        "Cookie: pulse_session=CANARY",
        "Cookie: __Host-pulse=CANARY",
        "in {'pulse_csrf': 'x', 'pulse_session': 'CANARY'}",
        "no ticket PVE:pulse@pve:6955B0C0::CANARY+/== given",
        "no ticket PBS:!tfa!pulse@pbs:6955B0C0::CANARY+/== given",
        "Cookie PVEAuthCookie=PVE%3Apulse%40pve%3A6955B0C0%3A%3ACANARY%2B%3D",
        "no ticket PVE%3Apulse%40pve%3A6955B0C0%3A%3ACANARY%2B%3D given",
        "token 6955B0C0:CANARYCANARYCANARYCANARYCANARY+/ is old",
        "{'text': 'pulse_5FKdTqSC_CANARY0sktptlDA9lQ8xWT_FzYkL9zZhYRpP2V_BjoPM'}",
        "the token PULSE-REG-CANARY234567 was used",
        "https://pulse:CANARY@pve1.lab:8006 and socks5://pulse:CANARY@proxy",
        "https://pulse:CAN@CANARY@pve1.lab",
    ],
)
def test_whatever_looks_like_a_credential_is_hidden(text):
    assert "CANARY" not in clean(f"before {text} after")
    assert "[hidden]" in clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://pve1.lab:8006 refused the connection",
        "pve-0 at 192.0.2.10:8006: Permission check failed (/nodes/pve1, Sys.Audit)",
        "UPID:pve1:000A1B2C:0123ABCD:6955B0C0:vzdump:101:root@pam:",
        "SHA-256 AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89",
        "The login of pulse@pve was refused: invalid token value!",
        "mail to ops@example.com about https://pve1.lab/",
    ],
)
def test_whatever_is_no_credential_stays(text):
    assert clean(text) == text


@pytest.mark.parametrize("part", ["PVE:", "a.", "https://", "https://a:", "PVEAPIToken=", "6955B0C0:", "'"])
def test_no_text_takes_long_to_clean(part):
    started = time.thread_time()

    clean(part * 20_000)

    assert time.thread_time() - started < 2


@pytest.mark.parametrize(
    ("level", "is_written"), [(logging.INFO, False), (logging.DEBUG, True)], ids=["info", "debug"]
)
def test_a_request_that_nobody_can_read_is_a_debug_line_without_a_traceback(level, is_written, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "level", level)
    logging.getLogger()._cache.clear()
    told = record("Invalid HTTP_HOST header", error=raised(ValueError("x")))
    told.name = "django.security.DisallowedHost"

    assert StrangersFilter().filter(told) is is_written
    assert (
        TextFormatter().format(told)
        == "2026-01-01T12:00:00Z debug django.security.DisallowedHost: Invalid HTTP_HOST header"
    )


def test_every_other_error_is_written():
    told = record("a flaw", error=raised(ValueError("x")))

    assert StrangersFilter().filter(told) is True
    assert "Traceback" in TextFormatter().format(told)

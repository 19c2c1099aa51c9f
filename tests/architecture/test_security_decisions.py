"""The figures in docs/security-decisions.md are those of the code."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

import accounts.passwords
import pulse.passwords
from accounts import claim, forms, guesses, hashers, lockout, sessions, views
from accounts.door import ADMIN_FRESH, MAX_QUERY_CHARS
from monitoring.exporting.remote import drafts as remote_drafts
from monitoring.exporting.remote import outcomes, posting, sending, series, targets
from monitoring.feed import members
from nodes import drafts
from nodes.proxmox import answers, client, slots
from pulse.lib import body, crypto
from pulse.lib.auth import SCOPES
from pulse.lib.outbound import session
from pulse.runtime import bodies, http_protocol, limiter, places, socket_protocol

TEXT = (Path(__file__).parents[2] / "docs/security-decisions.md").read_text()
#: A sentence may be broken anywhere.
ON_ONE_LINE = " ".join(TEXT.split())


def rate(limit) -> tuple[int, int]:
    """Return how many, in how many seconds."""
    return limit.count, limit.seconds


@pytest.mark.parametrize(
    ("told", "found", "figure"),
    [
        (
            "| failures of one account from one network (/24 or /64) | 5 in 15 minutes |",
            (lockout.MAX_FAILURES, lockout.SPAN),
            (5, timedelta(minutes=15)),
        ),
        ("| from 1 to 30 seconds, never closed |", lockout.MAX_DELAY_SECONDS, 30),
        (
            "| tries to sign in of one client, whatever the account | 30 in 5 minutes |",
            rate(views.SIGN_INS),
            (30, 300),
        ),
        ("| tries to claim of one client | 10 in 5 minutes |", rate(views.CLAIMS), (10, 300)),
        ("| different wrong tokens of one client | 30 in a minute |", rate(guesses.GUESSES), (30, 60)),
        ("| password hashes at once | 2 |", hashers.MAX_AT_ONCE, 2),
        ("who waits more than 5 seconds is sent away", hashers.MAX_WAIT_SECONDS, 5.0),
        ("| one-time code, `/setup` | whoever runs the machine, once | 192 bit |", claim.CODE_BYTES, 24),
        ("password was given within the last hour", ADMIN_FRESH, timedelta(hours=1)),
        ("12 to 128 characters", forms.MAX_PASSWORD_CHARS, 128),
        ("without up to 8 digits and signs at its ends", accounts.passwords.MAX_ADDED_CHARS, 8),
        ("names with fewer than 8 characters beside them", pulse.passwords.MIN_OTHER_CHARS, 8),
        (
            "argon2id, 19 MiB, 2 passes, 1 lane",
            (
                hashers.BoundedArgon2Hasher.memory_cost,
                hashers.BoundedArgon2Hasher.time_cost,
                hashers.BoundedArgon2Hasher.parallelism,
            ),
            (19456, 2, 1),
        ),
        ("| without a request | 12 hours |", sessions.IDLE, timedelta(hours=12)),
        ("| in all | 7 days |", sessions.ABSOLUTE, timedelta(days=7)),
        ('on this device" | 30 days', sessions.ABSOLUTE_REMEMBERED, timedelta(days=30)),
        (
            "at most 1 MiB and 64 levels; each field",
            (settings.DATA_UPLOAD_MAX_MEMORY_SIZE, body.MAX_DEPTH),
            (1048576, 64),
        ),
        ("at most 8,192 characters", MAX_QUERY_CHARS, 8192),
        ("| name, user | at most 128 characters", (drafts.NAME_LIMIT, drafts.USER_LIMIT), (128, 128)),
        ("at most 200 and 1,024 characters", (drafts.TOKEN_ID_LIMIT, drafts.SECRET_LIMIT), (200, 1024)),
        (
            "at most 32 MiB after decompression and 64 levels",
            (client.MAX_BODY_BYTES, answers.DEPTH_LIMIT),
            (33554432, 64),
        ),
        ("16 lanes, a queue of 64", (limiter.LANES, limiter.MAX_WAITING), (16, 64)),
        (
            "at most 32 KiB and 100 headers, whole within 15 seconds",
            (http_protocol.MAX_HEAD_BYTES, http_protocol.MAX_HEADERS, http_protocol.HEAD_SECONDS),
            (32768, 100, 15.0),
        ),
        ("8 in the queue behind the one that is answered", http_protocol.MAX_QUEUED, 8),
        (
            "30 frames in 10 seconds",
            (socket_protocol.MOST_FRAMES, socket_protocol.WINDOW_SECONDS, socket_protocol.TOO_MANY),
            (30, 10.0, 4429),
        ),
        (
            "64 of callers with a token or session, 16 of one address; 32 of everybody else, 4 of one address",
            (
                bodies.MAX_KNOWN,
                bodies.MAX_KNOWN_PER_CLIENT,
                bodies.MAX_STRANGERS,
                bodies.MAX_STRANGERS_PER_CLIENT,
            ),
            (64, 16, 32, 4),
        ),
        (
            "5 seconds and a second for each 4 KiB, 15 at most",
            (bodies.GRACE_SECONDS, bodies.LEAST_BYTES_PER_SECOND, bodies.READ_SECONDS),
            (5.0, 4096, 15.0),
        ),
        ("256 of one address that is neither", places.MOST_PER_ADDRESS, 256),
        (
            "10,000, 64 of one address; 200 are let in a second, who would wait longer than 8 seconds",
            (
                members.MOST_CLIENTS,
                members.MOST_PER_ADDRESS,
                members.PER_SECOND,
                members.LONGEST_WAIT_SECONDS,
            ),
            (10_000, 64, 200, 8.0),
        ),
        (
            "60 seconds to be read, 5 while more than 32 MiB wait; the server holds 256 KiB of each",
            (
                limiter.WRITE_SECONDS,
                limiter.WRITE_SECONDS_WHEN_SHORT,
                limiter.MOST_UNSENT_BYTES,
                limiter.PIECE_BYTES,
            ),
            (60.0, 5.0, 33554432, 262144),
        ),
        (
            "four at once; 10 seconds for each piece, 60 in all",
            (limiter.MAX_STREAMS, limiter.TAKE_SECONDS, limiter.WRITE_SECONDS),
            (4, 10.0, 60.0),
        ),
        ("two at once per address, 20 seconds each", (slots.CALLS_AT_ONCE, session.CALL_SECONDS), (2, 20.0)),
        (
            "no user, no query; at most 500 characters | | its password or token | at most 4,096 characters",
            (remote_drafts.URL_LIMIT, remote_drafts.SECRET_LIMIT),
            (500, 4096),
        ),
        (
            "at most 10, lower case, none that series have themselves, values up to 128 characters",
            (remote_drafts.MOST_LABELS, remote_drafts.VALUE_LIMIT),
            (10, 128),
        ),
        (
            "8 engines; tasks, one at a time for each, 20 seconds a turn, 10 seconds a message of at most 2,000 samples and 1 MiB",
            (
                targets.MOST_TARGETS,
                sending.TURN_SECONDS,
                posting.REQUEST_SECONDS,
                series.MOST_SAMPLES,
                series.MOST_BYTES,
            ),
            (8, 20.0, 10.0, 2000, 1048576),
        ),
        (
            "after 10 seconds, then twice as long each time up to 5 minutes, or as long as it asks up to 15; what waits for two hours is dropped",
            (
                outcomes.FIRST_SECONDS,
                outcomes.LONGEST_SECONDS,
                outcomes.LONGEST_ASKED_SECONDS,
                sending.KEPT_SECONDS,
            ),
            (10.0, 300.0, 900.0, 7200),
        ),
        ("AES-256-GCM, nonce of 96 random bits", (crypto.KEY_BYTES, crypto.NONCE_BYTES), (32, 12)),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_figure_that_is_told_is_that_of_the_code(told, found, figure):
    assert told in ON_ONE_LINE
    assert found == figure


def test_every_scope_is_told_and_no_other():
    section = TEXT.partition("## Who may do what")[2].partition("\n## ")[0]
    table = section.partition("| scope | opens |")[2].partition("\n\n")[0]

    assert [line.split("`")[1] for line in table.splitlines() if "`" in line] == [
        str(scope) for scope in SCOPES
    ]


def test_the_log_goes_to_standard_error_and_nowhere_else():
    kinds = [handler["class"] for handler in settings.LOGGING["handlers"].values()]

    assert kinds == ["logging.StreamHandler"]
    assert settings.LOGGING["root"]["handlers"] == ["stderr"]
    assert not any("handlers" in logger for logger in settings.LOGGING["loggers"].values())

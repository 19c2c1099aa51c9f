"""The account by which an instance is asked: a word in time before it expires."""

from __future__ import annotations

import pytest

from monitoring.concerns.credentials import credential
from monitoring.known.facts import CredentialFacts
from tests.conftest import NOON as STARTED
from tests.monitoring.collected import MONITOR, asked, facts_of, turn

NOON = 1767268800
DAY = 86_400


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (CredentialFacts(True, NOON + 5 * DAY + 60), [("warning", "The API token of Pulse expires in 5 days: nothing can be read here after that")]),
        (CredentialFacts(True, NOON + 14 * DAY - 1), [("warning", "The API token of Pulse expires in 13 days: nothing can be read here after that")]),
        (CredentialFacts(True, NOON + 3600), [("warning", "The API token of Pulse expires in less than a day: nothing can be read here after that")]),
        (CredentialFacts(False, NOON + DAY), [("warning", "The account of Pulse expires in 1 day: nothing can be read here after that")]),
        (CredentialFacts(True, NOON), [("critical", "The API token of Pulse has expired")]),
        (CredentialFacts(True, NOON + 14 * DAY), []),
        (CredentialFacts(True, NOON + 300 * DAY), []),
        (CredentialFacts(True), []),
        (CredentialFacts(False), []),
        (None, []),
    ],
)  # fmt: skip
def test_an_account_that_expires_within_two_weeks_is_told(known, expected):
    assert [(one.level, one.text) for one in credential(known, NOON, at_epoch=NOON)] == expected


def sentences(watched):
    """What is told of the account."""
    return [one["text"] for one in watched.shown("concerns") if one["code"].startswith("credential")]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["pve", "pbs"])
def test_a_token_that_expires_is_told_by_the_host_itself(kind, request, watch):
    server = request.getfixturevalue(f"fake_{kind}")
    token_id, value = server.site.access.add_token(
        "soon", {"/": MONITOR}, expires_at=STARTED.timestamp() + 6 * DAY
    )
    watched = watch(server, kind, token_id=token_id, token_value=value)

    turn(watched, times=4)

    assert sentences(watched) == [
        "The API token of Pulse expires in 5 days: nothing can be read here after that"
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["pve", "pbs"])
def test_a_token_that_never_expires_is_no_concern(kind, request, watch):
    watched = watch(request.getfixturevalue(f"fake_{kind}"), kind)

    turn(watched, times=4)

    assert facts_of(watched).credential == CredentialFacts(is_token=True)
    assert sentences(watched) == []


@pytest.mark.django_db
def test_an_account_that_may_not_know_is_not_asked_about(fake_pve, watch):
    fake_pve.site.set_privileges(fake_pve.site.token_id, {"/": MONITOR, "/access": ("Pool.Audit",)})
    watched = watch(fake_pve)

    turn(watched, times=4)

    assert asked([fake_pve], "/access/users") == 0

"""accounts.tokens and the routes under /api/security/tokens."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import tokens
from accounts.models import ApiToken
from pulse.lib.auth import Access
from tests.accounts.fixtures import REMOTE
from tests.conftest import NOON

pytestmark = pytest.mark.django_db

TOKENS = "/api/security/tokens"
READ = [Access.MONITORING_READ]


def post(client: Client, **body: object):
    """Send a body to the token route."""
    return client.post(TOKENS, json.dumps(body), content_type="application/json")


# --- Verbs --------------------------------------------------------------------------------------------------------


def test_a_token_has_a_public_id_and_256_secret_bits():
    token, text = tokens.issue(name="ci", scopes=READ, at=NOON)

    prefix, token_id, secret = text.split("_", 2)
    assert (prefix, token_id, len(secret)) == ("pulse", token.token_id, 43)
    assert len(token.token_id) == 8


def test_only_the_digest_of_a_token_is_kept(django_assert_num_queries):
    _, text = tokens.issue(name="ci", scopes=READ, at=NOON)

    row = ApiToken.objects.values().get()
    assert len(row["digest"]) == 64
    assert text not in str(row)
    assert text.split("_", 2)[2] not in str(row)


def test_no_two_tokens_are_alike():
    texts = {tokens.issue(name="ci", scopes=READ, at=NOON)[1] for _ in range(50)}

    assert len(texts) == 50


@pytest.mark.parametrize(
    "scopes", [[], ["everything"], [Access.PUBLIC], [Access.PAGE, Access.ADMIN]], ids=str
)
def test_a_token_without_a_real_scope_is_not_made(scopes):
    with pytest.raises(ValueError, match="needs one or more of the scopes"):
        tokens.issue(name="ci", scopes=scopes, at=NOON)


def test_scopes_are_kept_in_one_order():
    token, _ = tokens.issue(name="ci", scopes=[Access.ADMIN, Access.MONITORING_READ, Access.ADMIN], at=NOON)

    assert token.scopes == ["monitoring:read", "admin"]


def test_the_right_text_finds_its_token_and_notes_the_use():
    token, text = tokens.issue(name="ci", scopes=READ, at=NOON)

    assert tokens.find(text, at=NOON) == token
    token.refresh_from_db()
    assert token.last_used_at == NOON


def test_the_use_is_written_once_a_minute_at_most(django_assert_num_queries):
    token, text = tokens.issue(name="ci", scopes=READ, at=NOON)
    tokens.find(text, at=NOON)

    with django_assert_num_queries(1):
        tokens.find(text, at=NOON + timedelta(seconds=59))
    with django_assert_num_queries(2):
        tokens.find(text, at=NOON + timedelta(seconds=60))
    token.refresh_from_db()
    assert token.last_used_at == NOON + timedelta(seconds=60)


def test_a_database_that_cannot_write_does_not_stop_a_reader(monkeypatch, caplog):
    token, text = tokens.issue(name="ci", scopes=READ, at=NOON)

    def locked(*args, **kwargs):
        raise DatabaseError("database is locked")

    monkeypatch.setattr("accounts.models.ApiTokenQuerySet.update", locked)

    assert tokens.find(text, at=NOON) == token
    assert text not in caplog.text


@pytest.mark.parametrize(
    "change", [lambda text: text[:-2] + "--", lambda text: text + "a", str.upper, str.strip]
)
def test_only_the_exact_text_finds_a_token(change):
    _, text = tokens.issue(name="ci", scopes=READ, at=NOON)

    found = tokens.find(change(text), at=NOON)

    assert (found is not None) is (change(text) == text)


def test_a_token_is_worthless_at_the_instant_at_which_it_expires():
    at = NOON + timedelta(days=1)
    _, text = tokens.issue(name="ci", scopes=READ, at=NOON, expires_at=at)

    assert tokens.find(text, at=at - timedelta(seconds=1)) is not None
    assert tokens.find(text, at=at) is None


def test_of_two_who_revoke_a_token_one_is_first():
    token, _ = tokens.issue(name="ci", scopes=READ, at=NOON)

    assert [tokens.revoke(token, at=NOON), tokens.revoke(token, at=NOON)] == [True, False]


# --- Routes -------------------------------------------------------------------------------------------------------


def test_a_new_token_is_told_once_and_works(token_client):
    client = token_client("admin")

    with time_machine.travel(NOON, tick=False):
        answer = post(client, name=" Grafana ", scopes=["monitoring:read"], expiresInDays=30)
    made = answer.json()
    text = made.pop("token")

    assert answer.status_code == 201
    assert made == {
        "id": text.split("_")[1],
        "name": "Grafana",
        "scopes": ["monitoring:read"],
        "active": True,
        "createdAt": "2026-01-01T12:00:00Z",
        "lastUsedAt": None,
        "expiresAt": "2026-01-31T12:00:00Z",
        "revokedAt": None,
    }
    with time_machine.travel(NOON, tick=False):
        mine = Client(HTTP_X_API_TOKEN=text, **REMOTE).get("/api/security/me").json()
    assert mine == {"kind": "token", "name": "Grafana", "scopes": ["monitoring:read", "metrics:read"]}
    assert text not in client.get(TOKENS).content.decode()


def test_the_list_has_every_token_newest_first_and_no_secret(token_client):
    client = token_client("admin")
    token, text = tokens.issue(name="later", scopes=READ, at=NOON + timedelta(days=3650))

    listed = client.get(TOKENS)

    assert [entry["name"] for entry in listed.json()] == ["later", "test"]
    assert token.digest not in listed.content.decode()
    assert text not in listed.content.decode()


def test_the_list_costs_the_same_with_one_token_and_with_twenty(token_client, django_assert_num_queries):
    client = token_client("admin")
    client.get(TOKENS)
    with django_assert_num_queries(2):
        client.get(TOKENS)

    for _ in range(20):
        tokens.issue(name="more", scopes=READ, at=NOON)

    with django_assert_num_queries(2):
        client.get(TOKENS)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["admin"]}, "name"),
        ({"name": "", "scopes": ["admin"]}, "name"),
        ({"name": "  ", "scopes": ["admin"]}, "name"),
        ({"name": "x" * 101, "scopes": ["admin"]}, "name"),
        ({"name": "a\nb", "scopes": ["admin"]}, "name"),
        ({"name": 5, "scopes": ["admin"]}, "name"),
        ({"name": "x"}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": "admin"}, "scopes"),
        ({"name": "x", "scopes": ["root"]}, "scopes"),
        ({"name": "x", "scopes": ["public"]}, "scopes"),
        ({"name": "x", "scopes": [["admin"]]}, "scopes"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": 0}, "expiresInDays"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": 3651}, "expiresInDays"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": True}, "expiresInDays"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": "5"}, "expiresInDays"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_and_nothing_is_made(body, field, token_client):
    client = token_client("admin")

    answer = post(client, **body)

    assert answer.status_code == 400
    assert list(answer.json()["details"]) == [field]
    assert ApiToken.objects.count() == 1


def test_unknown_keys_change_nothing(token_client):
    answer = post(
        token_client("admin"),
        name="x",
        scopes=["monitoring:read"],
        digest="0" * 64,
        token_id="AAAAAAAA",
        is_superuser=True,
    )

    token = ApiToken.objects.get(name="x")
    assert answer.status_code == 201
    assert token.token_id != "AAAAAAAA"
    assert token.digest != "0" * 64


def test_a_revoked_token_stays_in_the_list_and_works_no_more(token_client):
    admin = token_client("admin")
    made = post(admin, name="gone", scopes=["monitoring:read"]).json()

    answer = admin.delete(f"{TOKENS}/{made['id']}")

    assert answer.json() == {"success": True}
    assert Client(HTTP_X_API_TOKEN=made["token"], **REMOTE).get("/api/security/me").status_code == 401
    listed = {entry["name"]: entry["active"] for entry in admin.get(TOKENS).json()}
    assert listed == {"gone": False, "test": True}


def test_revoking_twice_or_nothing_is_404(token_client):
    admin = token_client("admin")
    made = post(admin, name="gone", scopes=["monitoring:read"]).json()
    admin.delete(f"{TOKENS}/{made['id']}")

    again = admin.delete(f"{TOKENS}/{made['id']}")
    unknown = [
        admin.delete(f"{TOKENS}/{name}") for name in ("AAAAAAAA", "%00", "a%00b", "x" * 900, "' or 1=1 --")
    ]

    assert {response.status_code for response in (again, *unknown)} == {404}
    assert {response.json()["code"] for response in (again, *unknown)} == {"token_not_found"}


def test_no_name_that_a_database_cannot_look_for_reaches_it(token_client):
    admin = token_client("admin")

    with CaptureQueriesContext(connection) as queries:
        admin.delete(f"{TOKENS}/a%00b")

    # Only the token of the caller was looked for.
    assert len([query for query in queries if '"token_id" = ' in query["sql"]]) == 1


# --- Command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_a_token_that_works(capsys):
    call_command("create_token", "ci", "--scope", "settings:read", "--scope", "monitoring:read")

    text = capsys.readouterr().out.strip()
    scopes = Client(HTTP_X_API_TOKEN=text, **REMOTE).get("/api/security/me").json()["scopes"]
    assert scopes == ["monitoring:read", "metrics:read", "settings:read"]


def test_the_command_makes_a_reading_token_that_stays_unless_told_otherwise(capsys):
    call_command("create_token", "ci")

    token = ApiToken.objects.get()
    assert (token.scopes, token.expires_at) == (["monitoring:read"], None)


@pytest.mark.parametrize("days", ["0", "4000"])
def test_the_command_refuses_a_life_without_end(days):
    with pytest.raises(CommandError):
        call_command("create_token", "ci", "--expires-in-days", days)

    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", "a\x00b"], ids=ascii)
def test_the_command_refuses_a_name_that_no_form_would_take(name):
    with pytest.raises(CommandError, match="the name must have 1 to 100 characters"):
        call_command("create_token", name)

    assert not ApiToken.objects.exists()

"""A guard that breaks refuses (security.md A79): whatever is raised in it, nobody is let in and nothing is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import DatabaseError
from django.test import Client

from accounts import claim
from nodes.models import Instance
from tests.accounts.fixtures import LOCAL, PASSWORD, REMOTE
from tests.factories import make_instance

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NODES = "/api/config/nodes"
NEW = json.dumps({"type": "pve", "host": "192.0.2.40", "user": "a@pam", "password": "x", "name": "new"})
JSON = {"content_type": "application/json"}
OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}


@pytest.fixture
def calls(
    host_probe, token_client, session_client, make_user, settings, tmp_path
) -> dict[str, Callable[[], Any]]:
    """Requests that every guard lets through, by who sends them; each would change something or call a host."""
    settings.PULSE_DATA_DIR = tmp_path
    make_instance(token_value="stored", host="https://192.0.2.41:8006")
    caches["limits"].clear()

    def sent(client: Client, path: str, body: Any, **more: Any) -> Any:
        client.raise_request_exception = False
        return client.post(path, body, **more)

    def claimed() -> Any:
        claim.ensure_code()
        form = {
            "username": "ada",
            "password": PASSWORD,
            "password_again": PASSWORD,
            "code": claim.read_code(),
        }
        return sent(Client(**REMOTE), "/setup", form, **OWN_PAGE)

    def signed_in() -> Any:
        make_user("ada")
        return sent(Client(**REMOTE), "/login", {"username": "ada", "password": PASSWORD}, **OWN_PAGE)

    def by_form_token() -> Any:
        client = session_client(is_staff=True)
        client.get("/login")
        return sent(client, NODES, NEW, HTTP_X_CSRFTOKEN=client.cookies["pulse_csrf"].value, **JSON)

    def in_the_admin() -> Any:
        client = session_client(is_superuser=True, is_staff=True)
        form = {"username": "mallory", "usable_password": "false"}
        return sent(client, "/admin/auth/user/add/", form, **OWN_PAGE)

    return {
        "token": lambda: sent(token_client("settings:write"), NODES, NEW, **JSON),
        "session": lambda: sent(session_client(is_staff=True), NODES, NEW, **JSON, **OWN_PAGE),
        "form token": by_form_token,
        "this machine": lambda: sent(Client(**LOCAL), NODES, NEW, **JSON),
        "test": lambda: sent(token_client("settings:write"), f"{NODES}/test-connection", NEW, **JSON),
        "stored": lambda: sent(token_client("settings:write"), f"{NODES}/pve-0/test", "{}", **JSON),
        "sign-in": signed_in,
        "claim": claimed,
        "admin": in_the_admin,
    }


#: The guard, and who meets it.
GUARDS = {
    "the limiter": ("accounts.door.limits.hit", "test"),
    "the count of the limiter": ("pulse.lib.limits.get_usage", "test"),
    "the count of wrong tokens": ("accounts.credentials.guesses.refusal_of", "token"),
    "the limiter of the sign-in": ("accounts.views.limits.hit", "sign-in"),
    "the limiter of the claim": ("accounts.views.limits.hit", "claim"),
    "the lock of the account": ("accounts.lockout.taken", "sign-in"),
    "the scope": ("accounts.door.check_scope", "token"),
    "the scopes of a token": ("accounts.tokens.scopes_of", "token"),
    "what a caller may": ("pulse.lib.auth.Caller.may", "session"),
    "the token": ("accounts.tokens.find", "token"),
    "the session": ("accounts.door.caller_of_user", "session"),
    "the age of a session": ("accounts.door.sessions.is_younger", "admin"),
    "the page of a session": ("accounts.door.check_page", "session"),
    "the page of the admin": ("accounts.door.check_page", "admin"),
    "the page of the sign-in": ("accounts.door.check_page", "sign-in"),
    "the token of a form": ("accounts.door.CSRFCheck.process_view", "form token"),
    "the machine": ("accounts.fresh.is_served", "this machine"),
    "other sites": ("accounts.door.check_other_sites", "this machine"),
    "the size": ("accounts.door.check_size", "token"),
    "the address of a new host": ("nodes.reach.refusal_of", "token"),
    "what may be called": ("nodes.reach.policy", "token"),
    "what may be called by a test": ("nodes.reach.policy", "stored"),
    "sealing": ("nodes.configuring.seal", "token"),
    "unsealing": ("pulse.lib.crypto.unseal", "stored"),
    "the code": ("accounts.claim.is_code", "claim"),
    "the rules of passwords": ("accounts.forms.validate_password", "claim"),
    "the password": ("accounts.hashers.BoundedArgon2Hasher.verify", "sign-in"),
}


#: What is done for each when no guard is broken: the status, the instances, the accounts made, calls to hosts.
DONE = {
    "token": (201, ["lab", "new"], [], 1),
    "session": (201, ["lab", "new"], [], 1),
    "form token": (201, ["lab", "new"], [], 1),
    "this machine": (201, ["lab", "new"], [], 1),
    "test": (400, ["lab"], [], 1),  # the host refuses
    "stored": (200, ["lab"], [], 1),
    "sign-in": (302, ["lab"], ["ada, signed in"], 0),
    "claim": (302, ["lab"], ["ada, signed in"], 0),
    "admin": (302, ["lab"], ["mallory"], 0),
}


def facts(response: Any, host_probe: Any) -> tuple[int, list[str], list[str], int]:
    """Return what DONE tells."""
    instances = list(Instance.objects.order_by("pk").values_list("name", flat=True))
    accounts = ["mallory"] if User.objects.filter(username="mallory").exists() else []
    if response.wsgi_request.path in ("/login", "/setup") and "pulse_session" in response.cookies:
        accounts += ["ada, signed in"]
    return response.status_code, instances, accounts, host_probe.call_count


@pytest.mark.parametrize("who", DONE)
def test_what_no_guard_refuses_is_done(who, calls, host_probe):
    assert facts(calls[who](), host_probe) == DONE[who]


@pytest.mark.parametrize(
    "error", [DatabaseError("lost-guard"), ZeroDivisionError("lost-guard")], ids=["database", "bug"]
)
@pytest.mark.parametrize("name", GUARDS)
def test_whatever_is_raised_in_a_guard_nothing_is_done(name, error, calls, host_probe, monkeypatch):
    place, who = GUARDS[name]

    def broken(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(place, broken)

    response = calls[who]()

    # A new secret is sealed when its host, which it was typed for, has taken it.
    called = 1 if name == "sealing" else 0
    status = 503 if place.startswith("accounts.door.") and isinstance(error, DatabaseError) else 500
    assert facts(response, host_probe) in [(one, ["lab"], [], called) for one in {status, 503}]
    assert "lost-guard" not in response.content.decode()

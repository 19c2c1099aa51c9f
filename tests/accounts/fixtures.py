"""Callers of every kind, as fixtures for the whole suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

PASSWORD = "correct horse battery"
REMOTE = {"REMOTE_ADDR": "192.0.2.7", "HTTP_HOST": "pulse.test"}
LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}


@pytest.fixture(autouse=True)
def fresh_counters() -> Iterator[None]:
    """Begin with empty rate limits, and forget who was looked up before."""
    yield
    from django.core.cache import caches

    from accounts import fresh, sockets

    caches["limits"].clear()
    fresh.forget()
    sockets.rechecks.clear()


@pytest.fixture
def api(db: None) -> Client:
    """A client on the machine itself: served without a credential while nothing is configured."""
    return Client(**LOCAL)


@pytest.fixture
def remote(db: None) -> Client:
    """A client elsewhere, without a credential; forms need their proof of origin."""
    return Client(enforce_csrf_checks=True, **REMOTE)


@pytest.fixture
def token_client(db: None) -> Callable[..., Client]:
    """Make a client elsewhere with a token of the given scopes: `token_client("settings:read")`."""
    from django.utils import timezone

    from accounts import tokens
    from pulse.lib.auth import Access

    def make(*scopes: str) -> Client:
        _, text = tokens.issue(name="test", scopes=[Access(scope) for scope in scopes], at=timezone.now())
        return Client(HTTP_X_API_TOKEN=text, **REMOTE)

    return make


@pytest.fixture(scope="session")
def hashed_password() -> str:
    """PASSWORD as it is stored; hashing is slow on purpose, so it is done once."""
    from django.contrib.auth.hashers import make_password

    return make_password(PASSWORD)


@pytest.fixture
def make_user(db: None, hashed_password: str) -> Callable[..., Any]:
    """Make an account: `make_user("ada", is_superuser=True)`; its password is PASSWORD."""
    from django.contrib.auth.models import User

    def make(username: str = "ada", **flags: bool) -> User:
        return User.objects.create(username=username, password=hashed_password, **flags)

    return make


@pytest.fixture
def session_client(make_user: Callable[..., Any]) -> Callable[..., Client]:
    """Make a client elsewhere that is signed in: `session_client(is_superuser=True)`; forms need their proof."""

    def make(username: str = "ada", **flags: bool) -> Client:
        client = Client(enforce_csrf_checks=True, **REMOTE)
        client.force_login(make_user(username, **flags))
        return client

    return make


@pytest.fixture
def with_api_token(settings: Any) -> str:
    """Configure an API_TOKEN and return it."""
    from pulse.lib.keys import token_digest

    text = "env-token-0123456789abcdef"
    settings.API_TOKEN_DIGEST = token_digest(text)
    return text

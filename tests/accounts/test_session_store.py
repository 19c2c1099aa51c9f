"""Sessions at rest: the browser has the key, the database only its digest."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.session_store import SessionStore
from accounts.sockets import is_still_valid, open_session
from pulse.lib.auth import Caller
from tests.accounts.fixtures import PASSWORD, REMOTE

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ME = "/api/security/me"


@pytest.fixture
def stored() -> SessionStore:
    """A session that holds a value."""
    session = SessionStore()
    session["who"] = "ada"
    session.save()
    return session


def test_a_session_is_found_by_its_key_and_by_nothing_else(stored):
    (row,) = Session.objects.all()

    assert SessionStore(stored.session_key)["who"] == "ada"
    assert row.session_key != stored.session_key
    assert len(row.session_key) == 40
    assert SessionStore(row.session_key).get("who") is None


@pytest.mark.parametrize(
    "key", [None, "", "x", "a" * 32, "a" * 9000, "a\x00b", "ä" * 32, "\ud800" * 8], ids=ascii
)
def test_a_key_that_was_never_given_is_no_session(key, stored):
    session = SessionStore(key)

    assert session.get("who") is None
    assert session.session_key is None


def test_a_change_is_saved_under_the_same_key(stored):
    again = SessionStore(stored.session_key)
    again["who"] = "bob"
    again.save()

    assert again.session_key == stored.session_key
    assert SessionStore(stored.session_key)["who"] == "bob"
    assert Session.objects.count() == 1


def test_a_new_name_ends_the_old_one(stored):
    old = stored.session_key
    stored.cycle_key()

    assert stored.session_key != old
    assert SessionStore(stored.session_key)["who"] == "ada"
    assert SessionStore(old).get("who") is None
    assert Session.objects.count() == 1


def test_a_session_that_is_flushed_or_deleted_is_gone(stored):
    other = SessionStore()
    other.save()

    SessionStore().delete(stored.session_key)
    other.flush()

    assert not Session.objects.exists()


def test_deleting_nothing_deletes_nothing(stored):
    SessionStore().delete()
    SessionStore().delete("unknown")

    assert Session.objects.count() == 1


def test_a_session_is_over_at_its_end(stored):
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert SessionStore(stored.session_key).get("who") is None


def test_it_is_known_which_keys_exist(stored):
    assert stored.exists(stored.session_key)
    assert not stored.exists("unknown")


@pytest.mark.django_db(transaction=True)
def test_the_same_holds_in_coroutines():
    async def lived():
        session = SessionStore()
        await session.aset("who", "ada")
        await session.asave()
        key = session.session_key
        found = await SessionStore(key).aget("who"), await session.aexists(key)
        stored_as = [row.session_key async for row in Session.objects.all()]
        await session.adelete(key)
        return found, stored_as == [key], await SessionStore(key).aget("who"), await session.aexists(key)

    assert asyncio.run(lived()) == (("ada", True), False, None, False)


def test_signing_in_and_out_works_and_the_database_never_has_the_cookie(make_user):
    make_user()
    client = Client(**REMOTE, HTTP_ORIGIN="http://pulse.test")

    client.post("/login", {"username": "ada", "password": PASSWORD})
    cookie = client.cookies["pulse_session"].value
    caller = Caller("session", user_pk=User.objects.get().pk, session_key=cookie)
    assert is_still_valid(caller)

    assert client.get(ME).json()["name"] == "ada"
    assert [row.session_key == cookie for row in Session.objects.all()] == [False]
    assert open_session(cookie).get("_auth_user_id") is not None

    client.post("/logout")

    assert Client(**REMOTE, HTTP_COOKIE=f"pulse_session={cookie}").get(ME).status_code == 401
    assert not is_still_valid(caller)


def test_the_name_in_a_stolen_database_opens_nothing(make_user):
    make_user()
    client = Client(**REMOTE)
    client.login(username="ada", password=PASSWORD)
    (row,) = Session.objects.all()

    assert client.get(ME).status_code == 200
    assert Client(**REMOTE, HTTP_COOKIE=f"pulse_session={row.session_key}").get(ME).status_code == 401

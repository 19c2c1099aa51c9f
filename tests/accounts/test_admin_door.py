"""The way into Django's admin: for superusers who have given their password lately, and for nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from tests.accounts.fixtures import PASSWORD, REMOTE
from tests.conftest import NOON

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}
SHOWN = "/admin/accounts/apitoken/"


@pytest.fixture
def root(make_user) -> Client:
    """A superuser who signed in at noon."""
    make_user("root", is_superuser=True, is_staff=True)
    client = Client(enforce_csrf_checks=True, **REMOTE)
    with time_machine.travel(NOON, tick=False):
        client.post("/login", {"username": "root", "password": PASSWORD}, **OWN_PAGE)
    return client


@pytest.mark.parametrize(
    ("later", "status"), [(timedelta(minutes=60), 200), (timedelta(minutes=60, seconds=1), 302)]
)
def test_after_an_hour_the_password_has_to_be_given_again(later, status, root):
    with time_machine.travel(NOON + later, tick=False):
        page, rest = root.get(SHOWN), root.get("/api/security/me")

    assert page.status_code == status
    assert rest.status_code == 200
    if status == 302:
        assert page.headers["Location"] == f"/login?next={SHOWN}"


def test_what_is_changed_there_needs_the_password_of_the_last_hour_too(root):
    with time_machine.travel(NOON + timedelta(hours=2), tick=False):
        refused = root.post("/admin/auth/user/add/", {"username": "mallory"}, **OWN_PAGE)

    assert refused.status_code == 401


def test_the_password_given_again_opens_it(root):
    with time_machine.travel(NOON + timedelta(hours=2), tick=False):
        root.post("/login", {"username": "root", "password": PASSWORD}, **OWN_PAGE)

        assert root.get(SHOWN).status_code == 200


def test_it_can_be_taken_away(root, settings):
    settings.PULSE_ADMIN = False

    with time_machine.travel(NOON, tick=False):
        assert root.get(SHOWN).status_code == 404


@pytest.mark.parametrize("flags", [{}, {"is_staff": True}], ids=["a plain user", "staff"])
def test_for_everybody_else_it_is_not_there(flags, session_client):
    assert session_client("ada", **flags).get(SHOWN).status_code == 404


def test_its_own_form_signs_nobody_in(make_user):
    make_user("root", is_superuser=True, is_staff=True)
    client = Client(**REMOTE)

    response = client.post("/admin/login/", {"username": "root", "password": PASSWORD}, **OWN_PAGE)

    assert response.status_code in (401, 403)
    assert client.get("/api/security/me").status_code == 401

"""http-api.md 13: GET /api/security/status."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db

STATUS = "/api/security/status"
FRESH = {
    "apiTokenConfigured": False,
    "requiresAuth": False,
    "exportProtected": True,
    "unprotectedExportAllowed": False,
    "registrationTokensEnabled": False,
    "open": False,
    "mode": "auto",
    "weakToken": False,
    "claimNeeded": True,
}


def test_a_fresh_install(remote):
    response = remote.get(STATUS)

    assert response.status_code == 200
    assert response.json() == FRESH


def test_with_an_api_token(remote, with_api_token):
    changed = {"apiTokenConfigured": True, "requiresAuth": True, "claimNeeded": False}

    assert remote.get(STATUS).json() == FRESH | changed


def test_with_an_account(remote, make_user):
    make_user()

    assert remote.get(STATUS).json() == FRESH | {"requiresAuth": True, "claimNeeded": False}


def test_with_unprotected_export(remote, settings):
    settings.ALLOW_UNPROTECTED_EXPORT = True

    changed = {"exportProtected": False, "unprotectedExportAllowed": True}
    assert remote.get(STATUS).json() == FRESH | changed


def test_an_api_token_protects_the_export_whatever_else_is_set(remote, settings, with_api_token):
    settings.ALLOW_UNPROTECTED_EXPORT = True

    assert remote.get(STATUS).json()["exportProtected"] is True


def test_with_registration_tokens(remote, settings):
    settings.REQUIRE_REGISTRATION_TOKEN = True

    assert remote.get(STATUS).json() == FRESH | {"registrationTokensEnabled": True}


@pytest.mark.parametrize(
    ("mode", "changed"),
    [
        ("open", {"mode": "open", "open": True}),
        ("required", {"mode": "required", "requiresAuth": True}),
    ],
)
def test_the_mode_is_told(mode, changed, remote, settings):
    settings.PULSE_AUTH = mode
    settings.PULSE_ALLOWED_HOSTS = ["pulse.test"]

    assert remote.get(STATUS).json() == FRESH | changed


def test_a_weak_api_token_is_told(remote, settings, with_api_token):
    settings.API_TOKEN_IS_SHORT = True

    assert remote.get(STATUS).json()["weakToken"] is True


def test_it_can_only_be_read(remote):
    assert remote.post(STATUS).status_code == 405

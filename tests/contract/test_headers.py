"""errors.md section 5 and security.md A57, A58: the headers of every answer, whoever made it."""

from __future__ import annotations

from contextlib import closing

import pytest
from django.core.cache import caches
from django.test import Client

from tests.accounts.fixtures import REMOTE
from tests.architecture.routes import all_routes

pytestmark = pytest.mark.django_db

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
TRUSTED_TYPES = "; require-trusted-types-for 'script'; trusted-types 'none'"
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def differences(response, path: str) -> list[str]:
    """Return what is wrong with the headers of an answer."""
    builds_html = path.startswith("/admin/") or (path == "/api/docs" and response.status_code == 200)
    policy = STRICT if builds_html else STRICT + TRUSTED_TYPES
    expected = FIXED | {"Content-Security-Policy": policy}
    found = [
        f"{path}: {name}: {response.headers.get(name)}"
        for name, value in expected.items()
        if response.headers.get(name) != value
    ]
    if "camera=()" not in response.headers.get("Permissions-Policy", ""):
        found.append(f"{path}: Permissions-Policy")
    if len(response.headers.get("X-Request-ID", "")) != 16:
        found.append(f"{path}: X-Request-ID")
    kept = response.headers.get("Cache-Control", "")
    if path.startswith("/api/") and "no-store" not in kept and "no-cache" not in kept:
        found.append(f"{path}: Cache-Control: {kept}")
    return found


@pytest.mark.parametrize("who", ["a stranger", "a superuser"])
def test_every_route_carries_them(who, session_client, make_user):
    make_user("owner")
    client = Client(**REMOTE) if who == "a stranger" else session_client(is_superuser=True)
    found = []
    for route in all_routes():
        caches["limits"].clear()
        found += differences(client.get(route.path), route.path)

    assert found == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/nothing", 404),
        ("/nothing", 302),
        ("/static/admin/css/base.css", 200),
        ("/static/nothing.js", 404),
    ],
)
def test_answers_without_a_view_carry_them(path, status, remote):
    with closing(remote.get(path)) as response:
        found = differences(response, path)

    assert response.status_code == status
    assert found == []


def test_an_answer_to_an_exception_carries_them(api, monkeypatch):
    def broken(request):
        raise RuntimeError

    monkeypatch.setattr("accounts.api.caller_of", broken)
    api.raise_request_exception = False

    response = api.get("/api/security/me")

    assert response.status_code == 500
    assert differences(response, "/api/security/me") == []


def test_an_answer_to_a_bad_host_carries_them(remote, settings):
    settings.ALLOWED_HOSTS = ["pulse.example"]

    response = remote.get("/api/health")

    assert response.status_code == 400
    assert differences(response, "/api/health") == []


def test_each_answer_has_an_id_of_its_own(remote):
    ids = {remote.get("/api/health").headers["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3


def test_strict_transport_is_asked_for_by_tls_only(remote):
    plain = remote.get("/api/health")
    tls = remote.get("/api/health", secure=True)

    assert "Strict-Transport-Security" not in plain.headers
    assert tls.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(("trusted", "is_believed"), [([], False), (["192.0.2.0/24"], True)])
def test_tls_is_believed_from_trusted_proxies_only(trusted, is_believed, remote, settings):
    settings.PULSE_TRUSTED_PROXIES = trusted

    response = remote.get("/api/health", HTTP_X_FORWARDED_PROTO="https")

    assert ("Strict-Transport-Security" in response.headers) is is_believed


def test_answers_of_the_api_are_not_kept_by_caches(api):
    assert api.get("/api/security/me").headers["Cache-Control"] == "no-store"


def test_an_answer_tells_its_length(api):
    response = api.get("/api/security/me")

    assert response.headers["Content-Length"] == str(len(response.content))

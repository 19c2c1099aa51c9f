"""errors.md section 4: which pages of other sites may read answers."""

from __future__ import annotations

from contextlib import closing

import pytest
from django.test import Client

from tests.accounts.fixtures import LOCAL

pytestmark = pytest.mark.django_db

PANEL, OTHER = "https://panel.test", "https://other.test:8443"


@pytest.mark.parametrize(
    ("allowed", "origin", "answer"),
    [
        (["*"], "https://anybody.test", "*"),
        (["*"], "null", "*"),
        (["*"], None, "*"),
        ([PANEL, OTHER], PANEL, PANEL),
        ([PANEL, OTHER], OTHER, OTHER),
        ([PANEL, OTHER], None, None),
        ([PANEL, OTHER], "null", None),
        ([PANEL, OTHER], "http://panel.test", None),
        ([PANEL, OTHER], "https://panel.test:8443", None),
        ([PANEL, OTHER], "https://evil-panel.test", None),
        ([PANEL, OTHER], "https://panel.test.evil.test", None),
        ([PANEL, OTHER], "https://panel.test@evil.test", None),
        ([PANEL, OTHER], f"{PANEL}, {OTHER}", None),
        (["https://panel.test:443/"], PANEL, PANEL),
        ([], PANEL, None),
    ],
)
def test_an_origin_may_read_when_it_is_listed_exactly(allowed, origin, answer, settings):
    settings.ALLOWED_ORIGINS = allowed
    headers = {} if origin is None else {"HTTP_ORIGIN": origin}

    response = Client(**LOCAL, **headers).get("/api/health")

    assert response.headers.get("Access-Control-Allow-Origin") == answer
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    "path", ["/api/health", "/api/nothing", "/api/state", "/login", "/nothing", "/static/admin/css/base.css"]
)
def test_every_answer_carries_the_methods_and_headers(path, remote):
    with closing(remote.get(path)) as response:
        headers = response.headers

    assert headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, DELETE, OPTIONS"
    assert (
        headers["Access-Control-Allow-Headers"]
        == "Content-Type, Authorization, X-API-Token, X-Registration-Token"
    )


def test_an_empty_list_means_no_cors_header_at_all(remote, settings):
    settings.ALLOWED_ORIGINS = []

    headers = remote.options("/api/state").headers

    assert [name for name in headers if name.startswith("Access-Control")] == []


@pytest.mark.parametrize("origin", [PANEL, "https://evil.test", None])
def test_answers_that_depend_on_the_origin_say_so(origin, settings, remote):
    settings.ALLOWED_ORIGINS = [PANEL]
    headers = {} if origin is None else {"HTTP_ORIGIN": origin}

    assert "Origin" in remote.get("/api/health", **headers).headers["Vary"]


def test_answers_for_everybody_do_not_vary_by_origin(remote):
    assert "Origin" not in remote.get("/api/health").headers.get("Vary", "")


def test_a_preflight_is_answered_empty_and_without_security_headers(remote):
    response = remote.options(
        "/api/config/nodes", HTTP_ORIGIN=PANEL, HTTP_ACCESS_CONTROL_REQUEST_METHOD="DELETE"
    )

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Security-Policy" not in response.headers

"""Health and version: the two answers that everybody gets (http-api.md 3.1 and 3.2)."""

from __future__ import annotations

import time

import pytest

from pulse import views


def test_health_says_healthy_with_the_time_and_the_uptime(client):
    answer = client.get("/api/health")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert set(body) == {"status", "timestamp", "uptime"}
    assert body["status"] == "healthy"
    assert abs(body["timestamp"] - time.time()) < 5
    assert body["uptime"] >= 0


def test_health_asks_no_database(client):
    # Without the django_db mark any query would fail this test.
    assert client.get("/api/health").status_code == 200


def test_health_is_not_kept_by_any_cache(client):
    assert client.get("/api/health")["Cache-Control"] == "no-store"


def test_a_probe_may_use_head(client):
    answer = client.head("/api/health")

    assert answer.status_code == 200
    assert answer.content == b""


@pytest.mark.parametrize("path", ["/api/health", "/api/version"])
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_other_methods_are_refused(client, path, method):
    answer = getattr(client, method)(path)

    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/api/health/", "/api/version/"])
def test_a_slash_behind_is_another_path(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/health", "/api/version"])
def test_nobody_needs_a_credential_even_when_one_is_required(client, settings, path):
    settings.PULSE_AUTH = "required"

    assert client.get(path, REMOTE_ADDR="203.0.113.7").status_code == 200


def test_version_names_the_build_and_what_runs_it(client, monkeypatch):
    monkeypatch.setattr(views, "is_container", lambda: False)

    assert client.get("/api/version").json() == {
        "version": "v0.1.0",
        "build": "release",
        "runtime": "python",
        "channel": "stable",
        "isDocker": False,
        "isDevelopment": False,
    }


def test_version_tells_a_development_installation(client, settings):
    settings.PULSE_DEVELOPMENT = True

    body = client.get("/api/version").json()

    assert (body["build"], body["isDevelopment"]) == ("development", True)

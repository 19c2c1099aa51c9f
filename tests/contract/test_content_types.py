"""What an answer is called, and that an address is decoded once and leads to no file but those that are meant."""

from __future__ import annotations

from contextlib import closing

import pytest
from django.core.cache import caches
from django.test import Client

from nodes.models import Instance
from pulse.lib.auth import policy_of
from tests.accounts.fixtures import REMOTE
from tests.architecture.routes import all_routes
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

#: Types whose letters are UTF-8 by their own standard.
UTF8_BY_ITSELF = ("application/json", "image/svg+xml")


def is_told(content_type: str) -> bool:
    """Return whether the type says in which letters the text is."""
    kind, _, parameters = content_type.partition(";")
    told = [one.strip().replace('"', "").lower() for one in parameters.split(";")]
    return kind in UTF8_BY_ITSELF or "charset=utf-8" in told


@pytest.mark.parametrize("who", ["a stranger", "a superuser"])
def test_every_answer_with_a_body_tells_its_type_and_its_letters(who, session_client, make_user):
    make_user("owner")
    client = Client(**REMOTE) if who == "a stranger" else session_client(is_superuser=True)
    found = []
    for path in [*(route.path for route in all_routes()), "/api/nothing", "/nothing", "/static/nothing.js"]:
        caches["limits"].clear()
        response = client.get(path)
        if response.content and not is_told(response.headers.get("Content-Type", "")):
            found.append(f"{path}: {response.headers.get('Content-Type')}")

    assert found == []


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/static/pulse/js/app.js", 'text/javascript; charset="utf-8"'),
        ("/static/pulse/css/base.css", 'text/css; charset="utf-8"'),
        ("/static/pulse/img/pulse.svg", "image/svg+xml"),
        ("/api/health", "application/json"),
        ("/login", "text/html; charset=utf-8"),
    ],
)
def test_a_file_and_a_page_are_called_what_they_are(path, content_type, remote):
    with closing(remote.get(path)) as response:
        assert response.headers["Content-Type"] == content_type


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/pulse/",
        "/static/pulse/js",
        "/static/../manage.py",
        "/static/pulse/../../settings.py",
        "/static/%2e%2e/manage.py",
        "/static/..%2fmanage.py",
        "/static//etc/passwd",
        "/static/pulse/js/app.js%00.css",
        "/static/.git/config",
    ],
)
def test_no_folder_is_listed_and_no_other_file_is_given(path, remote):
    with closing(remote.get(path)) as response:
        assert response.status_code == 404
        assert b"app.js" not in response.content
        assert b"DJANGO" not in response.content


def test_an_address_is_decoded_once(session_client):
    make_instance()
    client = session_client(is_superuser=True)
    page = {"HTTP_ORIGIN": "http://pulse.test"}

    twice = client.delete("/api/config/nodes/pve%252D0", **page)
    left = Instance.objects.count()
    once = client.delete("/api/config/nodes/pve%2D0", **page)

    assert (twice.status_code, left) == (400, 1)
    assert (once.status_code, Instance.objects.count()) == (200, 0)


def test_no_reading_method_demands_the_right_to_change_something():
    writing = {"settings:write", "alerts:write"}
    declared = [(route.pattern, policy_of(route.view)) for route in all_routes() if not route.is_admin]

    assert [pattern for pattern, policy in declared if policy and policy.methods.get("GET") in writing] == []
    assert sum(policy is not None and "POST" in policy.methods for _, policy in declared) >= 8

"""The door looks at the head of a request whose body has not come, by the rules that hold when it has."""

from __future__ import annotations

import json

import pytest

from pulse.lib.heads import COUNTED
from pulse.lib.keys import token_digest
from pulse.runtime.bodies import Admission
from pulse.runtime.handler import SyncHandler

TOKEN = "a-token-of-more-than-twenty-characters"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def looked(settings):
    """Looks at the head of a request of a client behind a trusted proxy."""
    settings.API_TOKEN_DIGEST = token_digest(TOKEN)
    settings.PULSE_TRUSTED_PROXIES = ["127.0.0.1"]
    handler = SyncHandler()

    def look(path, *headers, method="POST"):
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [
                (b"host", b"localhost"), (b"content-length", b"10"), (b"x-forwarded-for", b"203.0.113.5"), *headers,
            ],
            "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 7655),
            "pulse.head_only": True,
        }  # fmt: skip
        return handler.look_at_head(scope)

    return look


def test_a_good_token_lets_the_body_come(looked):
    admission = looked("/api/config/nodes", (b"x-api-token", TOKEN.encode()))

    assert isinstance(admission, Admission)
    assert (admission.client, admission.is_known) == ("203.0.113.5", True)


def test_a_form_of_a_stranger_may_come_and_is_told_apart(looked):
    admission = looked("/login", (b"sec-fetch-site", b"same-origin"))

    assert isinstance(admission, Admission)
    assert (admission.client, admission.is_known) == ("203.0.113.5", False)


def test_a_form_may_carry_its_proof_in_itself(looked):
    admission = looked("/login", (b"content-type", b"application/x-www-form-urlencoded"))

    assert isinstance(admission, Admission)


@pytest.mark.parametrize(
    ("path", "header", "status", "code"),
    [
        pytest.param("/api/config/nodes", (b"a", b"b"), 401, "unauthorized", id="no credential"),
        pytest.param("/api/config/nodes", (b"x-api-token", b"wrong"), 401, "unauthorized", id="a wrong one"),
        pytest.param("/api/state", (b"x-api-token", TOKEN.encode()), 405, "method_not_allowed", id="method"),
        pytest.param("/api/nothing", (b"x-api-token", TOKEN.encode()), 404, "not_found", id="path"),
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_the_door(path, header, status, code, looked):
    start, body = looked(path, header)

    assert start["status"] == status
    assert json.loads(body["body"])["code"] == code
    assert (b"x-content-type-options", b"nosniff") in start["headers"]


def test_what_the_rate_limit_said_goes_on_with_the_request(looked):
    admission = looked("/api/config/nodes/test-config", (b"x-api-token", TOKEN.encode()))

    assert admission.carried[COUNTED].remaining == 9


def test_a_form_of_another_site_is_refused_before_it_comes(looked):
    start, _ = looked("/login", (b"sec-fetch-site", b"cross-site"))

    assert start["status"] == 403

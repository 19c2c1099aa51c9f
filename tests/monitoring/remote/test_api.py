"""`/api/history/remote-write`: the engines to which samples are written."""

from __future__ import annotations

import pytest
import time_machine

from monitoring.models import RemoteWriteCursor, RemoteWriteTarget
from tests.conftest import NOON
from tests.factories import make_instance
from tests.monitoring.remote.receiver import Answer

pytestmark = pytest.mark.django_db

TARGETS = "/api/history/remote-write"
NEW = {
    "name": "victoria",
    "url": "https://metrics.lab:8428/api/v1/write",
    "user": "pulse",
    "password": "correct horse",
    "tenant": "lab",
    "extraLabels": {"site": "home"},
    "stepSeconds": 60,
}
TOLD = {
    "id": 1,
    "name": "victoria",
    "url": "https://metrics.lab:8428/api/v1/write",
    "enabled": True,
    "login": "basic",
    "user": "pulse",
    "hasPassword": True,
    "hasToken": False,
    "tenant": "lab",
    "extraLabels": {"site": "home"},
    "stepSeconds": 60,
    "verifySSL": True,
    "fingerprint": "",
    "tlsUnchecked": False,
    "status": "waiting",
    "message": "",
    "lastSuccess": None,
    "failingSince": None,
    "nextTry": None,
    "lagSeconds": None,
    "sent": 0,
    "dropped": 0,
    "lastDropped": None,
    "dropReason": "",
}


def post(client, path, body):
    """Send a JSON body."""
    return client.post(path, body, content_type="application/json")


def put(client, path, body):
    """Send a JSON body."""
    return client.put(path, body, content_type="application/json")


@pytest.fixture
def added(api):
    """The address of a target that was added."""
    answer = post(api, TARGETS, NEW)
    assert answer.status_code == 201, answer.content
    return f"{TARGETS}/{answer.json()['id']}"


def test_a_target_is_added_and_listed_without_its_secret(api, added):
    identity = int(added.rpartition("/")[2])

    answer = api.get(TARGETS)

    assert answer.json() == {"targets": [TOLD | {"id": identity}]}
    assert b"horse" not in answer.content


def test_what_a_target_has_come_to_is_told(api, added, still_noon):
    target = RemoteWriteTarget.objects.get()
    RemoteWriteCursor.objects.create(target=target, instance=make_instance(), next_epoch=1767268620)
    RemoteWriteTarget.objects.update(
        last_success_at=NOON,
        failing_since=NOON,
        failure_message="the engine answers with 503",
        next_try_at=NOON,
        sent_count=12,
        dropped_count=3,
        dropped_at=NOON,
        drop_reason="they have waited for two hours",
    )

    told = api.get(TARGETS).json()["targets"][0]

    assert {name: told[name] for name in told.keys() - TOLD.keys() | {"status", "message", "lagSeconds"}} == {
        "status": "failing",
        "message": "the engine answers with 503",
        "lagSeconds": 180,
    }
    assert {told[name] for name in ("lastSuccess", "failingSince", "nextTry", "lastDropped")} == {
        "2026-01-01T12:00:00Z"
    }
    assert (told["sent"], told["dropped"], told["dropReason"]) == (12, 3, "they have waited for two hours")


def test_what_a_change_leaves_out_stays(api, added):
    answer = put(api, added, {"name": "mimir", "enabled": False})

    assert answer.status_code == 200
    told = answer.json()
    assert (told["name"], told["status"], told["user"], told["hasPassword"]) == (
        "mimir",
        "off",
        "pulse",
        True,
    )


def test_another_address_demands_the_secret_again(api, added):
    body = {"url": "https://evil.lab/api/v1/write"}

    refused = put(api, added, body)
    taken = put(api, added, body | {"password": "another horse"})

    assert refused.status_code == 400
    assert refused.json()["details"] == {
        "password": "password is required again: the url changes, and the stored one was given for "
        "https://metrics.lab:8428/api/v1/write"
    }
    assert taken.status_code == 200
    assert taken.json()["url"] == "https://evil.lab/api/v1/write"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "x"}, "url"),
        ({"name": "x", "url": "metrics.lab"}, "url"),
        ({"name": 5, "url": "https://metrics.lab/write"}, "name"),
        (NEW | {"extraLabels": {"site": 1}}, "extraLabels"),
        (NEW | {"extraLabels": ["site"]}, "extraLabels"),
        (NEW | {"extraLabels": {"vmid": "1"}}, "extraLabels"),
        (NEW | {"stepSeconds": 61}, "stepSeconds"),
        (NEW | {"stepSeconds": 30}, "stepSeconds"),
        (NEW | {"verifySSL": "yes"}, "verifySSL"),
        (NEW | {"login": "digest"}, "login"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_what_is_wrong_is_refused_with_the_name_of_its_field(api, body, field):
    answer = post(api, TARGETS, body)

    assert answer.status_code == 400
    assert list(answer.json()["details"]) == [field]
    assert not RemoteWriteTarget.objects.exists()


@pytest.mark.parametrize("method", ["put", "delete"])
def test_what_is_not_there_is_404(api, method):
    answer = getattr(api, method)(f"{TARGETS}/7", {}, content_type="application/json")

    assert answer.status_code == 404
    assert answer.json()["code"] == "target_not_found"


@pytest.mark.parametrize("identity", ["99999999999999999999999", "x", "-1", "1/"])
def test_an_address_that_is_no_id_is_404(api, identity):
    assert put(api, f"{TARGETS}/{identity}", {}).status_code == 404


def test_a_target_is_removed(api, added):
    assert api.delete(added).json() == {"success": True}
    assert api.get(TARGETS).json() == {"targets": []}


def test_a_try_sends_the_login_and_no_sample(api, receiver):
    added = post(
        api, TARGETS, {"name": "local", "url": receiver.url, "token": "not-a-real-token", "tenant": "lab"}
    )
    RemoteWriteTarget.objects.update(next_try_at=NOON)

    answer = post(api, f"{TARGETS}/{added.json()['id']}/test", {})

    assert answer.json() == {"status": "success", "message": "local takes samples"}
    ((headers, body),) = receiver.requests
    assert body == b"\x00"
    assert {name: headers[name] for name in ("Content-Encoding", "Content-Type", "User-Agent", "Authorization",
            "X-Prometheus-Remote-Write-Version", "X-Scope-OrgID", "THANOS-TENANT")} == {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "User-Agent": "Pulse/0.1.0",
        "Authorization": "Bearer not-a-real-token",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
        "X-Scope-OrgID": "lab",
        "THANOS-TENANT": "lab",
    }  # fmt: skip
    assert RemoteWriteTarget.objects.get().next_try_at is None


def test_a_try_tells_what_is_wrong_and_nothing_of_what_was_answered(api, receiver):
    receiver.answers = [Answer(401, b"not-a-real-token is unknown here")]
    added = post(api, TARGETS, {"name": "local", "url": receiver.url, "user": "me", "password": "ümläut"})

    answer = post(api, f"{TARGETS}/{added.json()['id']}/test", {})

    assert answer.json() == {"status": "error", "message": "the engine refuses the login (401)"}
    assert receiver.requests[0][0]["Authorization"] == "Basic bWU6w7xtbMOkdXQ="
    assert post(api, f"{TARGETS}/99/test", {}).status_code == 404


def test_nobody_tries_more_than_ten_times_a_minute(api, receiver):
    added = post(api, TARGETS, {"name": "local", "url": receiver.url})

    with time_machine.travel(NOON, tick=False):  # a window of the limit ends with each minute
        statuses = [post(api, f"{TARGETS}/{added.json()['id']}/test", {}).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("settings:read", [200, 403, 403]), ("settings:write", [403, 201, 404]), ("monitoring:read", [403, 403, 403])],
)  # fmt: skip
def test_reading_and_changing_have_scopes_of_their_own(token_client, scope, expected):
    client = token_client(scope)

    statuses = [
        client.get(TARGETS).status_code,
        post(client, TARGETS, NEW).status_code,
        client.delete(f"{TARGETS}/99").status_code,
    ]

    assert statuses == expected


def test_an_answer_is_bounded_in_what_it_brings(api, receiver):
    receiver.answers = [Answer(200, b"x" * 100_000)]
    added = post(api, TARGETS, {"name": "local", "url": receiver.url})

    answer = post(api, f"{TARGETS}/{added.json()['id']}/test", {}).json()

    assert answer["status"] == "error"
    assert "sent an answer of more than 65536 bytes" in answer["message"]

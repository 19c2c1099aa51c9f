"""The targets in the admin: the same rules, and no secret."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from monitoring.models import RemoteWriteCursor, RemoteWriteTarget
from pulse.lib.crypto import unseal
from tests.conftest import NOON
from tests.factories import make_instance
from tests.monitoring.remote.receiver import Answer
from tests.monitoring.remote.targets import URL, make_target

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

LIST = "/admin/monitoring/remotewritetarget/"
NEW = {
    "name": "victoria",
    "url": URL,
    "is_enabled": "on",
    "login": "basic",
    "user": "pulse",
    "password": "canary-password",
    "extra_labels": '{"site": "home"}',
    "step_seconds": "60",
    "verify_tls": "on",
}


@pytest.fixture
def admin() -> Client:
    """A superuser who has just signed in, at a page of ours."""
    user = get_user_model().objects.create(username="root", is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="localhost", HTTP_ORIGIN="http://localhost")
    client.force_login(user)
    return client


def problems(response) -> dict[str, list[str]]:
    """Return what the form has against what was typed."""
    return dict(response.context["adminform"].form.errors)


def told(response) -> list[str]:
    """Return the sentences above the page."""
    return [str(message) for message in response.context["messages"]]


def test_a_target_is_added_with_its_secret_sealed(admin):
    response = admin.post(f"{LIST}add/", NEW, follow=True)

    target = RemoteWriteTarget.objects.get()
    assert response.status_code == 200
    assert (target.name, target.step_seconds, target.extra_labels) == ("victoria", 60, {"site": "home"})
    assert unseal(target.sealed_password, place=target.password_place) == "canary-password"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"url": "metrics.lab"}, "url", "url must begin with https:// or http://"),
        ({"password": ""}, "password", "password is required for login basic"),
        ({"extra_labels": '{"vmid": "1"}'}, "extra_labels", "extraLabels: vmid is a label of the series themselves"),
        ({"extra_labels": "[1]"}, "extra_labels", 'extra labels look like {"site": "home"}'),
        ({"extra_labels": '{"a": 1}'}, "extra_labels", 'extra labels look like {"site": "home"}'),
        ({"fingerprint": "abc"}, "fingerprint", "fingerprint must be the SHA-256 of the certificate: 64 hexadecimal digits"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_field(admin, change, field, message):
    response = admin.post(f"{LIST}add/", NEW | change)

    assert problems(response) == {field: [message]}
    assert not RemoteWriteTarget.objects.exists()


def test_a_change_keeps_the_secret_and_another_address_demands_it(admin):
    target = make_target(user="pulse", password="canary-password")
    page = f"{LIST}{target.pk}/change/"
    typed = NEW | {"password": "", "extra_labels": "{}", "step_seconds": "0"}

    kept = admin.post(page, typed | {"name": "renamed"})
    refused = admin.post(page, typed | {"name": "renamed", "url": "https://evil.lab/api/v1/write"})

    target.refresh_from_db()
    assert kept.status_code == 302
    assert (target.name, target.url) == ("renamed", URL)
    assert list(problems(refused)) == ["password"]
    assert unseal(target.sealed_password, place=target.password_place) == "canary-password"


def test_no_secret_is_shown(admin):
    target = make_target(user="pulse", password="canary-password")

    pages = [admin.get(LIST).content, admin.get(f"{LIST}{target.pk}/change/").content]

    assert not any(b"canary" in page or target.sealed_password.encode() in page for page in pages)


def test_how_it_stands_is_told(admin):
    target = make_target()
    RemoteWriteCursor.objects.create(target=target, instance=make_instance(), next_epoch=0)
    RemoteWriteTarget.objects.update(
        failing_since=NOON,
        failure_message="the engine answers with 503",
        dropped_count=3,
        drop_reason="too old",
    )

    for page in (LIST, f"{LIST}{target.pk}/change/"):
        content = admin.get(page).content.decode()
        assert "Fails: the engine answers with 503" in content
        assert "too old" in content


def test_a_name_that_is_taken_is_told(admin):
    make_target()

    response = admin.post(f"{LIST}add/", NEW, follow=True)

    assert told(response) == ["name is taken"]
    assert RemoteWriteTarget.objects.count() == 1


def test_engines_are_tried_and_switched(admin, receiver):
    targets = [make_target(name="one", url=receiver.url), make_target(name="two", url=receiver.url)]
    receiver.answers = [Answer(404)]
    chosen = {"_selected_action": [target.pk for target in targets]}

    tried = admin.post(LIST, {"action": "try_now", **chosen}, follow=True)
    admin.post(LIST, {"action": "switch_off", **chosen})
    off = list(RemoteWriteTarget.objects.values_list("is_enabled", flat=True))
    admin.post(LIST, {"action": "switch_on", **chosen})

    assert told(tried) == [
        "Try of one: nothing takes samples at this address (404)",
        "Try of two: it takes samples",
    ]
    assert off == [False, False]
    assert RemoteWriteTarget.objects.filter(is_enabled=True).count() == 2


def test_a_target_is_removed_with_where_it_goes_on(admin):
    target = make_target()
    RemoteWriteCursor.objects.create(target=target, instance=make_instance(), next_epoch=0)

    admin.post(LIST, {"action": "delete_selected", "_selected_action": [target.pk], "post": "yes"})

    assert not RemoteWriteTarget.objects.exists()
    assert not RemoteWriteCursor.objects.exists()

"""Adding, changing and removing targets: what is refused, and where a stored secret may go."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitoring.exporting import labels as label_module
from monitoring.exporting.naming import TOLD
from monitoring.exporting.remote import targets
from monitoring.exporting.remote.drafts import RESERVED, Draft, checked_url
from monitoring.models import RemoteWriteCursor, RemoteWriteTarget
from nodes.drafts import NotValid
from pulse.lib.crypto import unseal
from pulse.lib.sealed_columns import columns
from tests.conftest import NOON
from tests.factories import make_instance
from tests.monitoring.remote.targets import URL, make_target

pytestmark = pytest.mark.django_db

PIN, OTHER_PIN = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("https://metrics.lab/api/v1/write", "https://metrics.lab/api/v1/write"),
        (" HTTPS://Metrics.Lab.:8428/api/v1/write ", "https://metrics.lab:8428/api/v1/write"),
        ("http://192.0.2.7:9090/api/v1/write", "http://192.0.2.7:9090/api/v1/write"),
        ("https://[2001:db8::7]/api/v1/push", "https://[2001:db8::7]/api/v1/push"),
        ("https://[2001:db8::7]:8006/api/v1/push", "https://[2001:db8::7]:8006/api/v1/push"),
        (
            "https://vm.lab:8480/insert/0:1/prometheus/api/v1/write",
            "https://vm.lab:8480/insert/0:1/prometheus/api/v1/write",
        ),
    ],
)
def test_an_address_is_stored_in_one_form(typed, stored):
    assert checked_url(typed) == stored


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "url is required"),
        ("metrics.lab/api/v1/write", "url must begin with https:// or http://"),
        ("ftp://metrics.lab/api/v1/write", "url must begin with https:// or http://"),
        ("https://metrics.lab", "url needs the path of the engine, such as /api/v1/write"),
        ("https://metrics.lab/", "url needs the path of the engine, such as /api/v1/write"),
        (
            "https://metrics.lab/write?token=abc",
            "url must not hold a query; login and tenant have fields of their own",
        ),
        (
            "https://metrics.lab/write#x",
            "url must not hold a query; login and tenant have fields of their own",
        ),
        (
            "https://me:secret@metrics.lab/write",
            "url: host must not hold a user name or password; they have fields of their own",
        ),
        ("https://metrics.lab/a b", "url needs the path of the engine, such as /api/v1/write"),
        ("https://metrics.lab\\@evil.lab/write", "url must not hold a backslash"),
        ("https://2130706433/write", "url: host is not a valid IP address; write it as four numbers, such as 192.0.2.10"),
        ("https://metrics.lab:0/write", "url: the port must be a number from 1 to 65535"),
        ("https://169.254.169.254/latest", "url: 169.254.169.254 is a link-local or metadata address"),
        ("https://metrics.lab/" + "a" * 500, "url is longer than 500 characters"),
    ],
)  # fmt: skip
def test_what_is_no_address_of_an_engine_is_refused(typed, message):
    with pytest.raises(NotValid, match=f"^{re.escape(message)}$"):
        make_target(url=typed)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8428/write", "http://localhost:8428/write"])
def test_this_machine_is_refused_until_somebody_allows_it(address, loopback_is_refused):
    with pytest.raises(NotValid, match="is this machine itself"):
        make_target(url=address)


def test_ports_of_other_services_are_refused():
    with pytest.raises(NotValid, match="is not called at port 25"):
        make_target(url="http://192.0.2.7:25/write")


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"name": ""}, "name", "name is required"),
        ({"name": "a\nb"}, "name", "name holds a control character"),
        ({"login": "digest"}, "login", "login must be none, basic or bearer"),
        ({"login": "basic", "password": "x"}, "user", "user is required for login basic"),
        ({"login": "basic", "user": "me"}, "password", "password is required for login basic"),
        ({"login": "bearer"}, "token", "token is required for login bearer"),
        ({"token": "a b"}, "token", "token has at most 4096 characters of ASCII, none of them a blank"),
        ({"token": "a", "password": "b"}, "token", "give a password or a token, not both"),
        (
            {"login": "basic", "user": "me", "token": "a"},
            "login",
            "login is basic, and the secret is one for bearer",
        ),
        ({"user": "a:b", "password": "x"}, "user", "user must not hold a colon: it ends there"),
        ({"tenant": "a b"}, "tenant", "tenant has at most 150 letters, digits and characters of !-_.*'()|"),
        (
            {"step_seconds": 30},
            "step_seconds",
            "stepSeconds must be 0 (every sample) or 60 (a mean for each minute)",
        ),
        (
            {"fingerprint": "abc"},
            "fingerprint",
            "fingerprint must be the SHA-256 of the certificate: 64 hexadecimal digits",
        ),
        (
            {"fingerprint": PIN, "url": "http://metrics.lab/write"},
            "fingerprint",
            "fingerprint needs an address with https",
        ),
        (
            {"extra_labels": {"Site": "home"}},
            "extra_labels",
            "extraLabels: a name has lower-case letters, digits and _, and begins with a letter",
        ),
        (
            {"extra_labels": {"__name__": "up"}},
            "extra_labels",
            "extraLabels: a name has lower-case letters, digits and _, and begins with a letter",
        ),
        (
            {"extra_labels": {"vmid": "1"}},
            "extra_labels",
            "extraLabels: vmid is a label of the series themselves",
        ),
        (
            {"extra_labels": {"site": ""}},
            "extra_labels",
            "extraLabels: site needs a value of 1 to 128 characters",
        ),
        (
            {"extra_labels": {f"label{number}": "x" for number in range(11)}},
            "extra_labels",
            "extraLabels has more than 10 labels",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_is_refused_with_its_field(fields, field, message):
    with pytest.raises(NotValid) as refused:
        make_target(**fields)

    assert (refused.value.field, refused.value.message) == (field, message)


def test_every_label_of_a_series_is_kept_from_the_extra_ones():
    source = set(re.findall(r'"([a-z_]+)": ', Path(label_module.__file__).read_text()))

    assert source | {name for series in TOLD.values() for name in series.labels} <= RESERVED
    assert source >= {"instance", "vmid", "mount_point"}


def test_two_targets_have_two_names():
    make_target()

    with pytest.raises(NotValid, match="name is taken"):
        make_target()


def test_there_are_at_most_eight():
    for number in range(8):
        make_target(name=f"engine {number}")

    with pytest.raises(NotValid, match="there are 8 targets already, and no more are served"):
        make_target(name="engine 8")


def test_secrets_are_sealed_for_their_row():
    target = make_target(user="me", password="correct horse")
    other = make_target(name="other", token="not-a-real-token")

    assert "horse" not in target.sealed_password
    assert (target.login, other.login) == ("basic", "bearer")
    assert unseal(target.sealed_password, place=f"remote-write:{target.uid}:password") == "correct horse"
    assert unseal(other.sealed_token, place=f"remote-write:{other.uid}:token") == "not-a-real-token"
    assert {column.field for column in columns if column.model is RemoteWriteTarget} == {
        "sealed_password",
        "sealed_token",
    }


@pytest.mark.parametrize(
    ("given", "change", "field"),
    [
        ({"token": "t"}, {"url": "https://evil.lab/api/v1/write"}, "token"),
        ({"token": "t"}, {"url": "https://metrics.lab:8429/api/v1/write"}, "token"),
        ({"token": "t"}, {"url": "http://metrics.lab:8428/api/v1/write"}, "token"),
        ({"token": "t"}, {"url": "https://metrics.lab:8428/another/path"}, "token"),
        ({"token": "t"}, {"verify_tls": False}, "token"),
        ({"token": "t"}, {"fingerprint": PIN}, "token"),
        ({"token": "t", "fingerprint": PIN}, {"fingerprint": ""}, "token"),
        ({"token": "t", "fingerprint": PIN}, {"fingerprint": OTHER_PIN}, "token"),
        ({"user": "me", "password": "p"}, {"url": "https://evil.lab/api/v1/write"}, "password"),
        ({"user": "me", "password": "p"}, {"url": "https://evil.lab/api/v1/write", "user": "you"}, "password"),
        ({"user": "me", "password": "p"}, {"verify_tls": False, "password": "****"}, "password"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_a_stored_secret_goes_to_nobody_but_whom_it_was_given_for(given, change, field):
    target = make_target(**given)
    before = RemoteWriteTarget.objects.values().get()

    with pytest.raises(NotValid) as refused:
        targets.change(target.pk, Draft(**change))

    assert refused.value.field == field
    assert "is required again" in refused.value.message
    assert RemoteWriteTarget.objects.values().get() == before


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({"token": "t"}, {"url": "https://other.lab/api/v1/write", "token": "new"}),
        ({"token": "t"}, {"url": "https://other.lab/api/v1/write", "login": "none"}),
        ({"token": "t", "verify_tls": False}, {"verify_tls": True}),
        ({"token": "t", "verify_tls": False}, {"fingerprint": PIN}),
        ({"token": "t"}, {"name": "other", "tenant": "lab", "extra_labels": {"site": "home"}}),
        ({"token": "t"}, {"url": "HTTPS://METRICS.LAB:8428/api/v1/write"}),
        ({}, {"url": "https://other.lab/api/v1/write", "verify_tls": False}),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_makes_no_secret_go_elsewhere_is_changed(given, change):
    target = make_target(**given)

    assert targets.change(target.pk, Draft(**change)).version == 2


def test_only_the_secret_of_the_login_in_use_is_kept():
    target = make_target(user="me", password="p")

    target = targets.change(target.pk, Draft(token="t"))
    assert (target.login, target.user, target.sealed_password) == ("bearer", "", "")

    target = targets.change(target.pk, Draft(login="none"))
    assert (target.login, target.sealed_token) == ("none", "")


def test_another_address_begins_without_the_past_of_the_former_one():
    target = make_target()
    RemoteWriteTarget.objects.update(
        failures=3, failing_since=NOON, failure_message="it is away", next_try_at=NOON, last_success_at=NOON
    )

    targets.change(target.pk, Draft(url="https://other.lab/api/v1/write"))

    target.refresh_from_db()
    assert (target.failures, target.failing_since, target.failure_message) == (0, None, "")
    assert (target.next_try_at, target.last_success_at) == (None, None)


def test_a_change_lets_the_next_try_come_at_once_and_keeps_where_it_goes_on():
    target = make_target()
    RemoteWriteCursor.objects.create(target=target, instance=make_instance(), next_epoch=60)
    RemoteWriteTarget.objects.update(failures=3, next_try_at=NOON)

    targets.change(target.pk, Draft(tenant="lab"))

    target.refresh_from_db()
    assert (target.failures, target.next_try_at) == (3, None)
    assert RemoteWriteCursor.objects.count() == 1


def test_what_is_sampled_while_a_target_is_off_is_not_sent_afterwards():
    target = make_target()
    RemoteWriteCursor.objects.create(target=target, instance=make_instance(), next_epoch=60)

    targets.change(target.pk, Draft(is_enabled=False))

    assert RemoteWriteCursor.objects.count() == 0


def test_what_is_not_there_cannot_be_changed_or_removed():
    target = make_target()
    targets.remove(target.pk)

    with pytest.raises(targets.UnknownTarget):
        targets.change(target.pk, Draft(name="other"))
    with pytest.raises(targets.UnknownTarget):
        targets.remove(target.pk)


def test_a_draft_shows_no_secret():
    assert "horse" not in repr(Draft(password="correct horse", token="horse"))
    assert URL not in repr(make_target())

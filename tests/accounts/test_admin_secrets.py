"""Django's admin shows no secret of any row of any kind, and nobody but a superuser finds it (security.md A22)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken
from monitoring.choices import Tier
from monitoring.models import (
    Backfill,
    BlindTime,
    HistoryEvent,
    HistoryPart,
    HistorySpan,
    RemoteWriteTarget,
)
from nodes.models import Instance
from pulse.lib.auth import Access
from tests.factories import make_datastore, make_guest, make_instance, make_node, make_storage

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

#: What stands in a column that holds no secret as it is, but what an attacker could work on.
SEALED = "v1.Canary01.sealed-by-nobody"
DIGEST = "Canary02" + "0" * 56
HASH = "argon2$argon2id$v=19$m=19456,t=2,p=1$Canary03$Canary04"


@pytest.fixture
def rows(make_user) -> list[Model]:
    """A row of each model that the admin has, with a canary wherever a secret, or what is kept of one, stands."""
    User.objects.filter(pk=make_user("someone").pk).update(password=HASH)
    token, _ = tokens.issue(name="ci", scopes=[Access.ADMIN], at=timezone.now())
    ApiToken.objects.filter(pk=token.pk).update(digest=DIGEST)
    instance = make_instance(token_value="Canary05-token", user="pulse@pam", password="Canary06-password")
    make_instance("pbs", password="Canary07-password")
    Group.objects.create(name="readers")
    for make in (make_node, make_guest, make_storage):
        make(instance)
    make_datastore()
    make_history(instance)
    Instance.objects.filter(kind="pbs", number=0).update(sealed_password=SEALED)
    return [row for model in admin.site._registry for row in model._default_manager.all()]


def make_history(instance: Instance) -> None:
    """A row of each model of the history that the admin has."""
    span = {"instance": instance, "start_epoch": 0, "end_epoch": 60}
    HistorySpan.objects.create(tier=Tier.MINUTE, **span)
    BlindTime.objects.create(cause="paused", **span)
    HistoryEvent.objects.create(object_kind="instance", object_id=instance.pk, kind="power", code="x", **span)
    HistoryPart.objects.create(
        instance=instance, kind="pool", owner_id=1, name="tank", last_seen_at=timezone.now()
    )
    Backfill.objects.create(instance=instance, reason="added", end_epoch=60)
    engine = {"url": "https://metrics.lab/write", "login": "token"}
    RemoteWriteTarget.objects.create(name="engine", sealed_token=SEALED, sealed_password=SEALED, **engine)


def paths_of(rows: list[Model]) -> Iterator[str]:
    """Yield the address of each page that the admin has for them."""
    yield from ("/admin/", "/admin/password_change/")
    for model in {type(row) for row in rows}:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}"
        yield from (f"{base}/", f"{base}/?q=pulse", f"{base}/add/")
        for row in rows:
            if isinstance(row, model):
                yield from (f"{base}/{row.pk}/{page}/" for page in ("change", "history", "delete"))
    yield "/admin/auth/user/1/password/"


def test_no_page_of_any_model_shows_a_secret(rows, session_client):
    root = session_client("root", is_superuser=True, is_staff=True)
    session = root.session
    secrets = [instance.sealed_token for instance in Instance.objects.exclude(sealed_token="")]

    pages = {path: root.get(path, follow=True) for path in paths_of(rows)}

    shown = {path: page.content.decode() for path, page in pages.items()}
    kept = [*secrets, session.session_key, root.cookies["pulse_session"].value]
    assert {type(row) for row in rows} == set(admin.site._registry)
    assert sum(page.status_code == 200 for page in pages.values()) > 40
    assert [path for path, text in shown.items() if "Canary" in text] == []
    assert [path for path, text in shown.items() for secret in kept if secret in text] == []


@pytest.mark.parametrize("flags", [{}, {"is_staff": True}], ids=["viewer", "staff"])
def test_for_who_is_no_superuser_none_of_its_pages_is_there(flags, rows, session_client):
    viewer: Client = session_client("viewer", **flags)

    statuses = {path: viewer.get(path).status_code for path in paths_of(rows)}

    assert set(statuses.values()) == {404}

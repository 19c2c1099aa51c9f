"""Nobody is let in by what everybody knows (security.md A3): no account, token or password comes with Pulse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.db import migrations

from accounts.models import ApiToken, Claim
from pulse.lib.keys import weakness_of

ROOT = Path(__file__).resolve().parents[2]
OWN_APPS = ("accounts", "monitoring", "nodes", "pulse")
#: Everything that is run or read at an installation.
SHIPPED = (
    "docker-compose.yml",
    "Dockerfile",
    "Makefile",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "deploy").iterdir()),
)
#: A hundred pairs.
NAMES = ("admin", "administrator", "root", "pulse", "operator", "user", "test", "guest", "monitor", "support")
PASSWORDS = ("", "admin", "password", "pulse", "root", "123456", "changeme", "secret", "proxmox", "test")


@pytest.mark.django_db
def test_a_new_database_has_no_account_no_token_and_no_claim():
    assert [model.objects.count() for model in (User, ApiToken, Claim)] == [0, 0, 0]


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_nobody_signs_in_by_a_well_known_name_and_password(name):
    assert [authenticate(username=name, password=password) for password in PASSWORDS] == [None] * 10


def test_no_migration_makes_rows_and_no_app_brings_fixtures():
    for name in OWN_APPS:
        folder = Path(apps.get_app_config(name).path)
        assert not (folder / "fixtures").exists()
        for path in (folder / "migrations").glob("0*.py"):
            module = __import__(f"{name}.migrations.{path.stem}", fromlist=["Migration"])
            made = [type(step) for step in module.Migration.operations]
            assert migrations.RunPython not in made
            assert migrations.RunSQL not in made


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_that_is_shipped_makes_an_account_or_holds_a_secret(name):
    text = (ROOT / name).read_text()

    assert not re.search(r"createsuperuser|create_superuser|create_token|loaddata", text)
    # `NAME: ${NAME:-}` leaves the choice to the person, and no choice is none.
    set_here = re.findall(
        r"^\s*(?:ENV |export )?(\w*(?:PASSWORD|TOKEN|SECRET_KEY)\w*)\s*[:=]\s*(\S+)", text, re.MULTILINE
    )
    assert [(key, value) for key, value in set_here if value != f"${{{key}:-}}"] == []


@pytest.mark.parametrize(
    "secret", ["secret", "pulse", "changeme", "insecure", "0" * 50, "your-secret-key-goes-here-and-is-long"]
)
def test_a_secret_that_everybody_knows_is_none(secret):
    assert weakness_of(secret) != ""

"""What a person decides is declared with its column; whoever configures an instance gets it from there, and checks it once."""

from __future__ import annotations

import io
import json
import sys

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client

from nodes import configuring, drafts, editing
from nodes.forms import InstanceForm
from nodes.models import Instance
from nodes.serializers import InstanceSerializer
from pulse.lib import crypto
from tests.factories import make_instance
from tests.probing import answers, found

pytestmark = pytest.mark.django_db

NODES = "/api/config/nodes"
TOKEN = {"tokenName": "pulse@pam!pulse", "tokenValue": "canary-token"}
PVE = {"type": "pve", "name": "lab", "host": "192.0.2.10", **TOKEN}


@pytest.fixture(autouse=True)
def answering(host_probe, shown_certificate):
    answers(host_probe, found())
    caches["limits"].clear()


@pytest.fixture
def api() -> Client:
    """A caller on this machine, as on a fresh install."""
    return Client(HTTP_HOST="localhost")


@pytest.fixture
def calls(monkeypatch):
    """Return a function that notes the arguments of a function of ours from now on."""

    def note(module, name):
        noted = []
        original = getattr(module, name)

        def noting(*args, **options):
            noted.append(args)
            return original(*args, **options)

        monkeypatch.setattr(module, name, noting)
        return noted

    return note


def send(api, method, path, body):
    """Send JSON."""
    return api.generic(method, path, json.dumps(body), content_type="application/json")


def add_in_the_admin(api):
    """Fill in the form of a new instance."""
    user = get_user_model().objects.create(username="root", is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="localhost", HTTP_ORIGIN="http://localhost")
    client.force_login(user)
    given = {
        "kind": "pve",
        "host": "192.0.2.10",
        "token_id": "pulse@pam!pulse",
        "token_value": "canary-token",
    }
    return client.post("/admin/nodes/instance/add/", given | {"name": "lab"})


def change_in_the_admin(api):
    """Give a new secret to an instance in its form."""
    instance = make_instance(kind="pve", host="https://192.0.2.10:8006")
    user = get_user_model().objects.create(username="root", is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="localhost", HTTP_ORIGIN="http://localhost")
    client.force_login(user)
    given = {
        "name": "lab",
        "host": "192.0.2.10",
        "token_id": "pulse@pam!pulse",
        "token_value": "canary-token",
    }
    return client.post(f"/admin/nodes/instance/{instance.pk}/change/", given)


def add_by_command(api):
    """Add an instance from the command line, certificate and all."""
    call_command(
        "instance", "add", "--type", "pve", "--host", "192.0.2.10", "--token-id", "pulse@pam!pulse",
        "--accept-certificate", stdout=io.StringIO(),
    )  # fmt: skip


def change_by_api(api):
    """Give a new secret to an instance."""
    instance = make_instance(kind="pve")
    return send(api, "PUT", f"{NODES}/{instance.wire_id}", {"host": "192.0.2.10", **TOKEN})


WAYS = {
    "POST": lambda api: send(api, "POST", NODES, PVE),
    "PUT": change_by_api,
    "test of a connection": lambda api: send(api, "POST", f"{NODES}/test-connection", PVE),
    "test of a configuration": lambda api: send(api, "POST", f"{NODES}/test-config", PVE),
    "form of a new instance": add_in_the_admin,
    "form of an old instance": change_in_the_admin,
    "command line": add_by_command,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_configuration_is_checked_once(way, api, calls, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("canary-token\n"))
    checks = calls(drafts, "normalise_host")

    way(api)

    assert checks == [("pve", "192.0.2.10")]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_secret_that_was_just_given_is_sealed_once_at_most_and_never_opened_to_try_it(
    way, api, calls, monkeypatch, host_probe
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("canary-token\n"))
    opened, sealed = calls(crypto, "unseal"), calls(configuring, "seal")

    way(api)

    assert [text for (text,) in opened if text] == []
    assert [text for (text,) in sealed].count("canary-token") <= 1
    assert host_probe.call_args.args[0].credential.token_value == "canary-token"


def test_each_column_says_how_the_wire_calls_it():
    assert drafts.WIRE_NAMES == {
        "kind": "type", "name": "name", "host": "host", "user": "user", "password": "password",
        "token_id": "tokenName", "token_value": "tokenValue", "fingerprint": "fingerprint", "verify_tls": "verifySSL",
        "monitor_vms": "monitorVMs", "monitor_containers": "monitorContainers", "monitor_storage": "monitorStorage",
        "monitor_backups": "monitorBackups", "monitor_datastores": "monitorDatastores",
        "monitor_sync_jobs": "monitorSyncJobs", "monitor_verify_jobs": "monitorVerifyJobs",
        "monitor_prune_jobs": "monitorPruneJobs", "monitor_garbage_jobs": "monitorGarbageJobs",
        "reads_smart": "monitorSmart",
    }  # fmt: skip


@pytest.mark.parametrize("column", drafts.DECIDED, ids=lambda column: column.name)
def test_who_configures_an_instance_knows_each_column_that_a_person_decides(column, rf):
    shown = django_admin.site.get_model_admin(Instance).get_fieldsets(rf.get("/"))
    in_admin = [name for _, group in shown for name in group["fields"]]

    assert column.given_as in InstanceForm().fields
    assert in_admin.count(column.given_as) == 1
    assert column.wire in InstanceSerializer().fields
    assert column.name in editing.CONFIGURED_FIELDS or column.name == "kind"
    assert getattr(drafts.draft_of({column.given_as: "told"}, kind="told"), column.given_as, "told") == "told"


def test_a_change_of_what_is_monitored_is_no_reason_to_ask_the_host():
    assert set(configuring.CONNECTION_FIELDS) == {
        "host", "user", "sealed_password", "token_id", "sealed_token", "fingerprint", "is_fingerprint_learned", "verify_tls",
    }  # fmt: skip

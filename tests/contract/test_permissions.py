"""`GET /api/config/nodes/<id>/permissions`: what an account may see, and the line that repairs it."""

from __future__ import annotations

import pytest
from django.core.cache import caches

from tests.factories import make_instance

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_limits():
    """No try is refused for those of another test."""
    caches["limits"].clear()


def watched(server, kind="pve", *, token=None):
    """The server as an instance; with its own token, or another (id, secret)."""
    token_id, value = token or (server.token_id, server.token_value)
    return make_instance(kind, host=server.url, token_id=token_id, token_value=value)


def asked(client, identity="pve-0"):
    """The answer of the route."""
    return client.get(f"/api/config/nodes/{identity}/permissions", HTTP_HOST="localhost")


def states(answer):
    """The state of each feature."""
    return {one["feature"]: one["state"] for one in answer.json()["features"]}


def test_an_auditor_sees_everything_but_backups_and_updates(fake_pve, client):
    watched(fake_pve)

    answer = asked(client)

    assert answer.status_code == 200
    told = answer.json()
    assert (told["account"], told["version"].startswith("9.")) == ("pulse@pve!monitor", True)
    lacking = {feature: state for feature, state in states(answer).items() if state != "ok"}
    assert lacking == {"backups": "missing", "updates": "missing"}


def test_the_repair_names_role_path_and_token(fake_pve, client):
    watched(fake_pve)

    repair = asked(client).json()["repair"]

    assert repair[0] == "pveum role add PulseBackups --privs Datastore.Audit,Datastore.Allocate"
    assert "pveum acl modify /storage/local --tokens 'pulse@pve!monitor' --roles PulseBackups" in repair


def test_a_token_that_sees_nothing_is_told_so(fake_pve, client):
    watched(fake_pve, token=fake_pve.site.add_token("fresh", {}))

    answer = asked(client)

    found = {one["feature"]: one for one in answer.json()["features"]}
    assert found["guests"]["state"] == "missing"
    assert found["guests"]["paths"] == [
        {"path": "/vms", "needed": ["VM.Audit"], "held": [], "missing": ["VM.Audit"]}
    ]
    assert found["guests"]["repair"] == ["pveum acl modify / --tokens 'pulse@pve!fresh' --roles PVEAuditor"]


def test_what_to_know_before_the_lines_of_the_user_are_run_has_keys_of_its_own(fake_pve, client):
    watched(fake_pve)

    found = {one["feature"]: one for one in asked(client).json()["features"]}

    assert found["backups"]["caution"].startswith(
        "Leave out the line of a user that has these rights already"
    )
    assert found["backups"]["userNote"] == (
        "With privilege separation a token has only what its user has as well: both need it."
    )
    assert found["backups"]["note"].startswith("Proxmox has no privilege that only lists backups")
    assert [found["guests"][key] for key in ("note", "caution", "userNote")] == ["", "", ""]


def test_a_token_for_some_guests_is_partial(fake_pve, client):
    privileges = {"/": ["Sys.Audit", "Datastore.Audit", "Pool.Audit"], "/vms/101": ["VM.Audit"]}
    watched(fake_pve, token=fake_pve.site.add_token("some", privileges))

    assert states(asked(client))["guests"] == "partial"


def test_a_pbs_auditor_lacks_the_remotes(fake_pbs, client):
    watched(fake_pbs, "pbs")

    answer = asked(client, "pbs-0")

    assert states(answer)["sync_jobs"] == "missing"
    assert (
        "proxmox-backup-manager acl update /remote RemoteAudit --auth-id 'pulse@pbs!monitor'"
        in answer.json()["repair"]
    )


def test_a_gateway_has_nothing_to_examine(fake_pmg, client):
    make_instance("pmg", name="mail", host=fake_pmg.url, user=fake_pmg.user, password=fake_pmg.password)

    answer = asked(client, "pmg-0")

    assert (answer.status_code, answer.json()["features"]) == (200, [])


def test_a_host_that_is_silent_is_said_to_be(fake_pve, client):
    watched(fake_pve)
    fake_pve.faults.add("down")

    answer = asked(client)

    assert (answer.status_code, answer.json()["code"]) == (400, "connection_failed")
    assert "port" in answer.json()["error"]


@pytest.mark.parametrize(("identity", "status"), [("pve-7", 404), ("pve", 400), ("xen-0", 400)])
def test_what_is_no_instance_is_refused(client, identity, status):
    assert asked(client, identity).status_code == status


def test_a_stranger_is_refused(fake_pve, client):
    watched(fake_pve)

    answer = client.get(
        "/api/config/nodes/pve-0/permissions", HTTP_HOST="pulse.example", REMOTE_ADDR="198.51.100.7"
    )

    assert answer.status_code == 401

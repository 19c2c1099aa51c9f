"""The verbs that change instances: what they leave alone, whom they meet, and what they never leave half done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nodes import clusters, editing
from nodes.drafts import Draft, NotValid
from nodes.editing import Outcome, UnknownInstance
from nodes.models import ClusterEndpoint, Guest, Instance, InstanceCounter
from nodes.proxmox.readings.live import NodeCertificateReading
from pulse.lib.crypto import unseal
from tests.conftest import NOON
from tests.factories import make_endpoint, make_guest, make_instance
from tests.probing import FINGERPRINT, answers, found, found_cluster

pytestmark = pytest.mark.django_db

TOKEN = {"token_id": "pulse@pam!pulse", "token_value": "secret"}
PVE = Draft(kind="pve", host="https://192.0.2.10:8006", **TOKEN)
PBS = Draft(kind="pbs", host="https://192.0.2.20:8007", **TOKEN)


@pytest.fixture(autouse=True)
def no_network(host_probe):
    return host_probe


def all_rows():
    return list(Instance.objects.order_by("pk").values())


def test_a_secret_is_stored_sealed_for_its_own_place():
    instance = editing.add(PVE, at=NOON).instance

    assert "secret" not in instance.sealed_token
    assert unseal(instance.sealed_token, place=f"instance:{instance.uid}:token") == "secret"


def test_a_name_is_cut_so_that_its_number_fits():
    editing.add(replace(PVE, name="x" * 128), at=NOON)
    second = editing.add(replace(PVE, name="x" * 128, host="192.0.2.11"), at=NOON).instance

    assert second.name == "x" * 126 + "-2"


def test_no_pve_and_no_pbs_share_a_key_of_the_connection_health():
    editing.add(replace(PBS, name="vault"), at=NOON)
    pve = editing.add(replace(PVE, name="pbs-vault"), at=NOON).instance

    assert pve.name == "pbs-vault-2"


def test_no_pbs_takes_the_health_key_of_a_pve():
    editing.add(replace(PVE, name="pbs-vault"), at=NOON)
    pbs = editing.add(replace(PBS, name="vault"), at=NOON).instance

    assert pbs.name == "vault-2"


def test_a_name_that_is_kept_gets_no_number():
    instance = make_instance(name="lab")

    assert editing.change(instance.pk, Draft(kind="pve", name="lab"), at=NOON).name == "lab"


def test_a_change_to_a_taken_name_gets_a_number():
    make_instance(name="lab")
    second = make_instance(name="other")

    assert editing.change(second.pk, Draft(kind="pve", name="lab"), at=NOON).name == "lab-2"


# --- certificates -----------------------------------------------------------------------------------------------------


def test_the_first_certificate_is_pinned_when_nobody_confirmed_one(host_probe):
    answers(host_probe, found())

    instance = editing.add(PVE, at=NOON).instance

    assert (instance.fingerprint, instance.is_fingerprint_learned) == (FINGERPRINT, True)


@pytest.mark.parametrize(
    "draft",
    [
        pytest.param(replace(PVE, verify_tls=True), id="checked-by-the-authorities"),
        pytest.param(replace(PVE, host="http://192.0.2.10:8006"), id="without-tls"),
    ],
)
def test_no_certificate_is_pinned_where_that_would_be_wrong(host_probe, draft):
    answers(host_probe, found())

    assert editing.add(draft, at=NOON).instance.fingerprint == ""


def test_no_certificate_is_pinned_when_that_is_switched_off(host_probe, settings):
    settings.PULSE_TLS_AUTOPIN = False
    answers(host_probe, found())

    assert editing.add(PVE, at=NOON).instance.fingerprint == ""


def test_a_confirmed_certificate_stays_the_confirmed_one(host_probe):
    answers(host_probe, found())

    instance = editing.add(replace(PVE, fingerprint="CD" * 32), at=NOON).instance

    assert (instance.fingerprint, instance.is_fingerprint_learned) == ("cd" * 32, False)


def test_a_silent_host_is_pinned_at_its_first_answer():
    instance = editing.add(PVE, at=NOON).instance

    assert editing.pin_first_certificate(instance.pk, FINGERPRINT)
    assert not editing.pin_first_certificate(instance.pk, "cd" * 32)

    instance.refresh_from_db()
    assert instance.fingerprint == FINGERPRINT


def test_a_pin_that_was_taken_away_is_not_learned_again():
    instance = make_instance(fingerprint=FINGERPRINT, is_fingerprint_learned=True)

    editing.change(instance.pk, Draft(kind="pve", fingerprint="", token_value="again"), at=NOON)

    assert not editing.pin_first_certificate(instance.pk, FINGERPRINT)


def test_a_learned_pin_is_learned_anew_for_another_host(host_probe):
    instance = make_instance(fingerprint=FINGERPRINT, is_fingerprint_learned=True)
    answers(host_probe, found(fingerprint="cd" * 32))

    changed = editing.change(
        instance.pk,
        Draft(kind="pve", host="pve9.lab", fingerprint=FINGERPRINT, token_value="again"),
        at=NOON,
    )

    assert (changed.fingerprint, changed.is_fingerprint_learned) == ("cd" * 32, True)


def test_a_confirmed_pin_is_kept_for_another_host():
    instance = make_instance(fingerprint=FINGERPRINT)

    moved = Draft(kind="pve", host="pve9.lab", token_value="again")
    changed = editing.change(instance.pk, moved, at=NOON)

    assert changed.fingerprint == FINGERPRINT


def test_checking_by_the_authorities_replaces_a_learned_pin():
    instance = make_instance(fingerprint=FINGERPRINT, is_fingerprint_learned=True)

    changed = editing.change(instance.pk, Draft(kind="pve", verify_tls=True), at=NOON)

    assert (changed.fingerprint, changed.verify_tls) == ("", True)


def test_members_of_a_pinned_cluster_have_certificates_of_their_own(host_probe, monkeypatch):
    answers(host_probe, found_cluster(members=2))
    told = (
        NodeCertificateReading(name="pve1", fingerprint=FINGERPRINT),
        NodeCertificateReading(name="pve2", fingerprint="cd" * 32),
    )
    monkeypatch.setattr("nodes.proxmox.pve.node_certificates", lambda client: told)

    instance = editing.add(replace(PVE, fingerprint=FINGERPRINT), at=NOON).instance

    assert list(instance.endpoints.values_list("node_name", "fingerprint")) == [
        ("pve1", FINGERPRINT),
        ("pve2", "cd" * 32),
    ]


# --- clusters ---------------------------------------------------------------------------------------------------------


def test_a_member_keeps_its_certificate_when_the_cluster_is_read_again(host_probe):
    instance = make_instance(is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(instance, "pve1", fingerprint=FINGERPRINT)
    answers(host_probe, found_cluster(members=3))

    editing.change(instance.pk, Draft(kind="pve", token_value="new"), at=NOON)

    assert ClusterEndpoint.objects.get(node_name="pve1").fingerprint == FINGERPRINT
    assert instance.endpoints.count() == 3


def test_a_member_that_left_the_cluster_is_forgotten(host_probe):
    instance = make_instance(is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(instance, "former")
    answers(host_probe, found_cluster(members=2))

    editing.change(instance.pk, Draft(kind="pve", token_value="new"), at=NOON)

    assert list(instance.endpoints.values_list("node_name", flat=True)) == ["pve1", "pve2"]


def test_a_member_was_seen_when_the_cluster_was_read(host_probe):
    answers(host_probe, found_cluster(members=2))

    instance = editing.add(PVE, at=NOON).instance

    assert list(instance.endpoints.values_list("last_seen_at", flat=True)) == [NOON, NOON]


def test_an_edit_leaves_alone_what_polling_writes_meanwhile(monkeypatch):
    instance = make_instance()
    save_edit = editing.save_edit

    def poll_first(row, *observed):
        Instance.objects.filter(pk=row.pk).update(state="ok", last_success_at=NOON)
        save_edit(row, *observed)

    monkeypatch.setattr(editing, "save_edit", poll_first)

    editing.change(instance.pk, Draft(kind="pve", name="renamed"), at=NOON)

    instance.refresh_from_db()
    assert (instance.name, instance.state, instance.last_success_at) == ("renamed", "ok", NOON)


def test_a_cluster_stays_when_its_host_may_not_tell_of_it(host_probe):
    instance = make_instance(is_cluster=True, cluster_name="lab-cluster")
    make_endpoint(instance)
    answers(host_probe, found(cluster=None))

    changed = editing.change(instance.pk, Draft(kind="pve", token_value="new"), at=NOON)

    assert (changed.is_cluster, changed.endpoints.count()) == (True, 1)


def test_what_a_host_calls_its_members_is_bounded():
    reading = found_cluster(members=100).cluster
    long_name = type(reading.members[0])(name="x" * 200, address="192.0.2.9")
    no_address = type(reading.members[0])(name="odd", address="<script>")

    members = clusters.readable_members((long_name, no_address, *reading.members))

    assert len(members) == 64
    assert (members[0].name, members[0].address) == ("odd", "")


# --- partial updates --------------------------------------------------------------------------------------------------

TOUCHED_BY = {
    "name": {"name"},
    "host": {
        "host",
        "fingerprint",
        "is_fingerprint_learned",
        "is_cluster",
        "cluster_name",
        "last_success_at",
    },
    "password": {"user", "sealed_password", "token_id", "sealed_token"},
    "token_value": {"sealed_token"},
    "fingerprint": {"fingerprint", "is_fingerprint_learned"},
    "verify_tls": {"verify_tls", "fingerprint", "is_fingerprint_learned"},
}
ALWAYS_TOUCHED = {"version", "next_poll_at", "changed_at"}
FLAGS = ("monitor_vms", "monitor_containers", "monitor_storage", "monitor_backups", "reads_smart")

partial_drafts = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["renamed", "lab", "other"]),
        "host": st.sampled_from(["192.0.2.77", "https://pve7.lab:8006"]),
        "token_value": st.just("another"),
        "fingerprint": st.sampled_from(["", FINGERPRINT, "cd" * 32]),
        "verify_tls": st.booleans(),
        "flags": st.dictionaries(st.sampled_from(FLAGS), st.booleans()),
    },
)


@pytest.mark.slow
@given(asked=partial_drafts)
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_partial_change_leaves_everything_else_equal(asked):
    Instance.objects.all().delete()
    make_instance(name="other")
    instance = make_instance(name="lab", state="ok", last_success_at=NOON, monitor_storage=False)
    bystander, before = all_rows()

    if "host" in asked and "token_value" not in asked:
        with pytest.raises(NotValid):
            editing.change(instance.pk, Draft(kind="pve", **asked), at=NOON)
        assert all_rows() == [bystander, before]
        return
    editing.change(instance.pk, Draft(kind="pve", **asked), at=NOON)

    other_after, after = all_rows()
    differing = {column for column in after if after[column] != before[column]}
    flags = set(asked.get("flags", {}))
    may_differ = ALWAYS_TOUCHED.union(flags, *(TOUCHED_BY[field] for field in asked if field != "flags"))
    assert differing <= may_differ
    assert other_after == bystander
    assert {flag: after[flag] for flag in flags} == asked.get("flags", {})


# --- meeting others ---------------------------------------------------------------------------------------------------


def test_a_host_that_somebody_else_adds_meanwhile_is_updated_instead(host_probe):
    def somebody_is_faster(target, *, timeout_seconds):
        if not Instance.objects.exists():
            make_instance(host="https://192.0.2.10:8006", name="faster")
        return found()

    host_probe.side_effect = somebody_is_faster

    added = editing.add(replace(PVE, name="slower"), at=NOON)

    assert added.outcome is Outcome.UPDATED
    assert Instance.objects.get().name == "slower"


def test_a_clash_of_constraints_is_tried_again(monkeypatch):
    real_create = editing.create
    attempts = []

    def clash_once(*args, **options):
        attempts.append(1)
        if len(attempts) == 1:
            raise IntegrityError("UNIQUE constraint failed")
        return real_create(*args, **options)

    monkeypatch.setattr(editing, "create", clash_once)

    assert editing.add(PVE, at=NOON).outcome is Outcome.ADDED
    assert len(attempts) == 2


def test_a_change_of_two_people_at_once_keeps_both(host_probe):
    instance = make_instance()

    def somebody_renames(target, *, timeout_seconds):
        Instance.objects.filter(pk=instance.pk).update(name="renamed", monitor_vms=False)
        return found()

    host_probe.side_effect = somebody_renames

    changed = editing.change(instance.pk, Draft(kind="pve", host="pve7.lab", token_value="again"), at=NOON)

    changed.refresh_from_db()
    assert (changed.name, changed.monitor_vms, changed.host) == ("renamed", False, "https://pve7.lab:8006")


def test_what_the_old_host_told_is_not_stored_for_a_new_one(host_probe):
    instance = make_instance()

    def somebody_moves_it(target, *, timeout_seconds):
        Instance.objects.filter(pk=instance.pk).update(host="https://elsewhere.lab:8006")
        return found_cluster()

    host_probe.side_effect = somebody_moves_it

    changed = editing.change(instance.pk, Draft(kind="pve", token_value="new"), at=NOON)

    assert (changed.host, changed.is_cluster) == ("https://elsewhere.lab:8006", False)
    assert not ClusterEndpoint.objects.exists()


def test_a_change_of_what_is_removed_meanwhile_finds_nothing(host_probe):
    instance = make_instance()

    def somebody_removes(target, *, timeout_seconds):
        Instance.objects.all().delete()
        return found()

    host_probe.side_effect = somebody_removes

    with pytest.raises(UnknownInstance):
        editing.change(instance.pk, Draft(kind="pve", host="pve7.lab", token_value="again"), at=NOON)
    assert all_rows() == []


def test_no_network_is_used_inside_a_transaction(host_probe):
    depths = []
    before = len(transaction.get_connection().savepoint_ids)

    def record(target, *, timeout_seconds):
        depths.append(len(transaction.get_connection().savepoint_ids) - before)
        return found_cluster()

    host_probe.side_effect = record

    instance = editing.add(PVE, at=NOON).instance
    editing.change(instance.pk, Draft(kind="pve", token_value="new"), at=NOON)

    assert depths == [0, 0]


@pytest.mark.parametrize("step", ["store_members", "free"], ids=["while-members-are-stored", "while-naming"])
def test_an_add_that_breaks_off_leaves_nothing(host_probe, monkeypatch, step):
    answers(host_probe, found_cluster())
    make_instance(name="bystander", host="https://192.0.2.99:8006")
    before = all_rows()

    def break_off(*args, **options):
        raise DatabaseError("disk full")

    monkeypatch.setattr(
        *{"store_members": (clusters, "store_members"), "free": (editing, "free_name")}[step], break_off
    )

    with pytest.raises(DatabaseError):
        editing.add(PVE, at=NOON)

    assert all_rows() == before
    assert not ClusterEndpoint.objects.exists()
    assert not InstanceCounter.objects.exists()


def test_a_refused_change_stores_nothing():
    instance = make_instance()
    before = all_rows()

    with pytest.raises(NotValid):
        editing.change(instance.pk, Draft(kind="pve", name="new", fingerprint="12"), at=NOON)

    assert all_rows() == before


# --- removing, pausing ------------------------------------------------------------------------------------------------


def test_a_number_is_not_used_again_even_when_no_counter_knew_it():
    make_instance(number=4)

    editing.remove(Instance.objects.get().pk, at=NOON)

    assert editing.add(PVE, at=NOON).instance.number == 5


def test_a_number_is_not_used_again_however_its_instance_went():
    editing.add(PVE, at=NOON)
    Instance.objects.all().delete()

    assert editing.add(PVE, at=NOON).instance.number == 1


def test_a_removal_tells_what_it_removed():
    instance = make_instance(name="lab")
    make_guest(instance)

    former = editing.remove(instance.pk, at=NOON)

    assert (former.name, former.wire_id) == ("lab", "pve-0")
    assert not Guest.objects.exists()


def test_removing_twice_finds_nothing_the_second_time():
    instance = make_instance()
    editing.remove(instance.pk, at=NOON)

    with pytest.raises(UnknownInstance):
        editing.remove(instance.pk, at=NOON)


def test_a_paused_instance_is_not_due_and_a_resumed_one_is_due_at_once():
    instance = make_instance(next_poll_at=NOON)

    editing.pause(instance.pk)
    assert not Instance.objects.polled().exists()

    editing.resume(instance.pk)
    assert Instance.objects.polled().get().next_poll_at is None


def test_pausing_twice_changes_nothing_the_second_time():
    instance = make_instance()
    editing.pause(instance.pk)

    assert editing.pause(instance.pk).version == 2

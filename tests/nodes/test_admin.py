"""The admin: an operator sees what is wrong, changes by the same verbs, and never sees a secret."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from nodes import editing
from nodes.admin import ago
from nodes.certificate_filter import CERTIFICATES
from nodes.models import Instance
from pulse.lib.crypto import unseal
from tests.conftest import NOON
from tests.factories import (
    make_datastore,
    make_endpoint,
    make_guest,
    make_instance,
    make_node,
    make_storage,
)
from tests.probing import FINGERPRINT, TOLD, answers, found, found_second_member

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

LIST = "/admin/nodes/instance/"
ADD = "/admin/nodes/instance/add/"

NEW = {
    "kind": "pve",
    "name": "lab",
    "host": "192.0.2.10",
    "token_id": "pulse@pam!pulse",
    "token_value": "canary-token",
    "monitor_vms": "on",
    "monitor_containers": "on",
}


@pytest.fixture(autouse=True)
def no_network(host_probe):
    return host_probe


@pytest.fixture
def admin() -> Client:
    """A superuser who has just signed in, at a page of ours."""
    user = get_user_model().objects.create(username="root", is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="localhost", HTTP_ORIGIN="http://localhost")
    client.force_login(user)
    return client


def change_url(instance):
    return f"{LIST}{instance.pk}/change/"


def form_of(instance, **changed):
    """What a browser posts from the change form of an instance."""
    flags = dict.fromkeys(("monitor_vms", "monitor_containers", "monitor_storage", "monitor_backups"), "on")
    fields = {
        "name": instance.name,
        "host": instance.host,
        "user": instance.user,
        "token_id": instance.token_id,
        "fingerprint": instance.fingerprint,
        "password": "",
        "token_value": "",
    }
    return {name: value for name, value in (fields | flags | changed).items() if value is not None}


def act(admin, action, *instances):
    response = admin.post(
        LIST, {"action": action, "_selected_action": [instance.pk for instance in instances]}, follow=True
    )
    return response.content.decode()


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_says_in_words_how_each_instance_answers(admin):
    make_instance(name="lab", state="login-failed", failure_message="The token is not accepted.")
    make_instance("pbs", name="vault", is_paused=True)

    page = admin.get(LIST).content.decode()

    assert "Login refused" in page
    assert "The token is not accepted." in page
    assert "Paused" in page


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=7), "7 s ago"),
        (timedelta(seconds=-3), "0 s ago"),
        (timedelta(minutes=3), "3\xa0minutes ago"),
        (timedelta(days=2), "2\xa0days ago"),
        (timedelta(hours=-1), "at 2026-01-01 13:00 by an earlier clock"),
        (timedelta(days=-1), "at 2026-01-02 12:00 by an earlier clock"),
    ],
)
def test_the_age_of_the_last_answer_is_told_in_words(age, words):
    assert ago(NOON - age, NOON) == words


def test_an_instance_that_never_answered_has_no_age():
    assert ago(None, NOON) is None


def test_the_list_costs_the_same_queries_for_one_and_for_twenty(admin):
    counts = []
    for more in (1, 19):
        for _ in range(more):
            make_instance()
        with CaptureQueriesContext(connection) as queries:
            admin.get(LIST)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_an_instance_is_found_by_the_name_of_a_member(admin):
    make_endpoint(make_instance(name="lab", is_cluster=True), "needle")
    make_instance(name="other")

    page = admin.get(LIST, {"q": "needle"}).content.decode()

    assert "lab" in page
    assert ">other<" not in page


def test_text_from_proxmox_is_escaped(admin):
    payload = "<script>alert(1)</script>"
    instance = make_instance(is_cluster=True, cluster_name=payload, failure_message=payload)
    make_endpoint(instance, payload)
    make_guest(instance, name=payload, node_name=payload, tags=payload)

    pages = [admin.get(url).content.decode() for url in (LIST, change_url(instance), "/admin/nodes/guest/")]

    assert [payload in page for page in pages] == [False, False, False]
    assert ["&lt;script&gt;" in page for page in pages] == [True, True, True]


# --- the form ---------------------------------------------------------------------------------------------------------


def test_an_instance_is_added_as_through_the_api(admin):
    response = admin.post(ADD, NEW)

    instance = Instance.objects.get()
    assert response.status_code == 302
    assert (instance.wire_id, instance.host, instance.name) == ("pve-0", "https://192.0.2.10:8006", "lab")
    assert (instance.monitor_vms, instance.monitor_storage) == (True, False)
    assert unseal(instance.sealed_token, place=instance.token_place) == "canary-token"


def test_the_log_of_the_admin_names_the_instance_that_was_added(admin):
    admin.post(ADD, NEW)

    entry = get_user_model().objects.get().logentry_set.get()
    assert (entry.object_id, entry.object_repr) == (str(Instance.objects.get().pk), "lab")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"host": "ftp://x"}, "https://"),
        ({"token_value": ""}, "credentials are required"),
        ({"fingerprint": "12"}, "64 hexadecimal digits"),
        ({"token_id": "bare"}, "user@realm!name"),
        ({"kind": "xen"}, "valid choice"),
    ],
    ids=str,
)
def test_a_bad_value_is_told_at_the_form_and_nothing_is_stored(admin, change, sentence):
    response = admin.post(ADD, NEW | change)

    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert not Instance.objects.exists()


def test_a_host_that_is_configured_already_is_told_at_the_form(admin):
    make_instance(host="https://192.0.2.10:8006")

    response = admin.post(ADD, NEW)

    assert response.status_code == 200
    assert Instance.objects.count() == 1


def test_a_member_of_a_known_cluster_leads_to_the_cluster(admin, host_probe):
    make_instance(name="lab", host="https://pve1.lab:8006", **TOLD)
    answers(host_probe, found_second_member())

    response = admin.post(ADD, NEW | {"name": "second"}, follow=True)

    assert "is monitored already as lab" in response.content.decode()
    assert Instance.objects.count() == 1


def test_saving_the_form_untouched_changes_no_secret(admin):
    instance = make_instance(token_value="kept", fingerprint=FINGERPRINT)

    admin.post(change_url(instance), form_of(instance, name="renamed"))

    sealed_before = instance.sealed_token
    instance.refresh_from_db()
    assert (instance.sealed_token, instance.name, instance.fingerprint) == (
        sealed_before,
        "renamed",
        FINGERPRINT,
    )


def test_a_password_typed_beside_the_old_token_switches_to_the_password(admin):
    instance = make_instance(token_value="old")

    admin.post(change_url(instance), form_of(instance, user="monitor@pve", password="new secret"))

    instance.refresh_from_db()
    assert (instance.user, instance.token_id, instance.sealed_token) == ("monitor@pve", "", "")
    assert unseal(instance.sealed_password, place=instance.password_place) == "new secret"


@pytest.mark.parametrize(
    "changed",
    [{"host": "https://elsewhere.lab:8006"}, {"fingerprint": ""}, {"fingerprint": "cd" * 32}],
    ids=str,
)
def test_another_host_or_certificate_wants_the_secret_at_the_form(admin, changed):
    instance = make_instance(token_value="kept", fingerprint=FINGERPRINT)
    before = Instance.objects.values().get()

    refused = admin.post(change_url(instance), form_of(instance, **changed))
    after_refusal = Instance.objects.values().get()
    taken = admin.post(change_url(instance), form_of(instance, token_value="typed", **changed))

    assert (refused.status_code, taken.status_code) == (200, 302)
    assert "tokenValue is required again" in refused.context["adminform"].form.errors["token_value"][0]
    assert after_refusal == before
    instance.refresh_from_db()
    assert unseal(instance.sealed_token, place=instance.token_place) == "typed"


def test_a_fingerprint_may_be_pasted_as_proxmox_shows_it(admin):
    instance = make_instance()

    admin.post(change_url(instance), form_of(instance, fingerprint=":".join(["AB"] * 32)))

    instance.refresh_from_db()
    assert instance.fingerprint == FINGERPRINT


def test_a_switched_off_flag_is_stored(admin):
    instance = make_instance()

    admin.post(change_url(instance), form_of(instance, monitor_vms=None))

    instance.refresh_from_db()
    assert (instance.monitor_vms, instance.monitor_containers) == (False, True)


def test_smart_is_asked_for_once_in_each_form_and_stored(admin):
    instance = make_instance("pbs")

    pages = [admin.get(url).content.decode() for url in (ADD, change_url(instance))]
    admin.post(change_url(instance), form_of(instance, reads_smart="on"))

    assert [page.count('name="reads_smart"') for page in pages] == [1, 1]
    assert all("a sleeping disk may be woken" in page for page in pages)
    instance.refresh_from_db()
    assert instance.reads_smart is True


def test_a_mail_gateway_has_no_disks_to_ask(admin):
    instance = make_instance("pmg", password="secret")

    assert 'name="reads_smart"' not in admin.get(change_url(instance)).content.decode()


def test_the_kind_and_the_observed_fields_cannot_be_changed(admin):
    instance = make_instance(state="ok")

    admin.post(change_url(instance), form_of(instance, kind="pbs", state="failing", number="9", version="77"))

    instance.refresh_from_db()
    assert (instance.kind, instance.state, instance.number, instance.version) == ("pve", "ok", 0, 2)


def test_the_host_is_asked_outside_of_any_transaction(admin, host_probe):
    depth_before = len(transaction.get_connection().savepoint_ids)
    depths = []

    def record(target, *, timeout_seconds):
        depths.append(len(transaction.get_connection().savepoint_ids) - depth_before)
        return found()

    host_probe.side_effect = record

    admin.post(ADD, NEW)

    assert depths == [0]


def test_an_instance_that_is_removed_meanwhile_leads_back_to_the_list(admin, monkeypatch):
    from nodes import editing

    instance = make_instance()

    def removed(pk, draft, *, at):
        raise editing.UnknownInstance

    monkeypatch.setattr(editing, "change", removed)

    response = admin.post(change_url(instance), form_of(instance, name="x"))

    assert (response.status_code, response["Location"]) == (302, LIST)


def test_save_and_test_tells_what_the_host_answers(admin, host_probe):
    answers(host_probe, found())

    response = admin.post(ADD, NEW | {"_test": "1"}, follow=True)

    assert "answers as PVE 9.2.1 after 12 ms" in response.content.decode()


@pytest.mark.parametrize(
    "origin", [{}, {"HTTP_ORIGIN": "https://elsewhere.example"}], ids=["none", "foreign"]
)
def test_a_form_that_none_of_our_pages_sent_is_refused(origin):
    user = get_user_model().objects.create(username="root", is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="localhost", enforce_csrf_checks=True, **origin)
    client.force_login(user)

    response = client.post(ADD, NEW)

    assert response.status_code == 403
    assert not Instance.objects.exists()


def test_no_page_shows_a_secret(admin):
    instance = make_instance(token_value="canary-token", fingerprint=FINGERPRINT)
    other = make_instance(password="canary-password")
    posted = admin.post(
        ADD, NEW | {"host": "ftp://x", "token_value": "canary-typed", "password": "canary-typed"}
    )

    pages = [
        admin.get(url) for url in (LIST, ADD, change_url(instance), change_url(other), f"{change_url(other)}")
    ]
    pages += [admin.get(f"{LIST}{instance.pk}/history/"), admin.get(f"{LIST}{instance.pk}/delete/"), posted]

    text = "".join(page.content.decode() for page in pages)
    assert "canary" not in text
    assert instance.sealed_token not in text


def test_the_words_of_a_host_are_shown_without_what_they_quote(admin):
    quoted = "refused: PVEAPIToken=pulse@pam!pulse=canary-token and PVE:pulse@pam:6955B0C0::canary-ticket=="
    instance = make_instance(state="failing", failure_message=quoted)

    pages = [admin.get(url).content.decode() for url in (LIST, change_url(instance))]

    assert ["refused: PVEAPIToken=pulse@pam!pulse=[hidden] and [hidden]" in page for page in pages] == [
        True,
        True,
    ]
    assert [page.count("canary") for page in pages] == [0, 0]


CERTIFIED = {
    "none": {"host": "http://192.0.2.1:8006"},
    "learned": {"fingerprint": FINGERPRINT, "is_fingerprint_learned": True},
    "confirmed": {"fingerprint": FINGERPRINT, "verify_tls": True},
    "authorities": {"verify_tls": True},
    "unchecked": {"is_fingerprint_learned": True},
}


@pytest.mark.parametrize("certificate", CERTIFIED)
def test_the_list_tells_and_filters_how_a_certificate_is_judged(certificate, admin):
    for name, fields in CERTIFIED.items():
        make_instance(name=name, **fields)

    page = admin.get(LIST, {"certificate": certificate})

    (instance,) = page.context["cl"].result_list
    assert instance.name == certificate
    assert f'<td class="field-certificate">{CERTIFICATES[certificate]}</td>' in page.content.decode()


def test_a_filter_that_does_not_exist_narrows_nothing(admin):
    make_instance()

    assert len(admin.get(LIST, {"certificate": "x"}).context["cl"].result_list) == 1


@pytest.mark.parametrize("name", ["kind", "state", "is_paused", "certificate", "is_cluster"])
def test_the_list_can_be_narrowed(name, admin):
    make_instance()
    make_instance("pbs", is_paused=True, state="ok", verify_tls=True, is_cluster=True)

    filters = {
        spec.title if hasattr(spec, "title") else "" for spec in admin.get(LIST).context["cl"].filter_specs
    }

    assert name.removeprefix("is_") in {title.removeprefix("is ") for title in filters}


# --- actions ----------------------------------------------------------------------------------------------------------


def test_the_test_action_tells_each_result(admin, host_probe):
    good = make_instance(name="good")
    broken = make_instance(name="broken")
    Instance.objects.filter(pk=broken.pk).update(sealed_token="v1.deadbeef.AAAA")
    answers(host_probe, found())

    page = act(admin, "test_connections", good, broken)

    assert "Test of good: answers as PVE 9.2.1" in page
    assert "Test of broken: The stored secret cannot be opened" in page


def test_the_test_action_tells_why_a_host_does_not_answer(admin):
    assert "refused the connection" in act(admin, "test_connections", make_instance())


def test_instances_are_paused_and_resumed(admin):
    instance = make_instance()

    assert "1 paused" in act(admin, "pause_polling", instance)
    instance.refresh_from_db()
    assert instance.is_paused

    assert "1 resumed" in act(admin, "resume_polling", instance)
    instance.refresh_from_db()
    assert not instance.is_paused


def test_the_history_tells_who_paused_an_instance(admin):
    instance = make_instance()

    act(admin, "pause_polling", instance)
    act(admin, "resume_polling", instance)

    entries = LogEntry.objects.filter(object_id=instance.pk).order_by("pk")
    assert [(entry.user.username, entry.change_message) for entry in entries] == [
        ("root", "Polling paused."),
        ("root", "Polling resumed."),
    ]


def test_an_instance_that_is_gone_meanwhile_does_not_stop_the_others(admin, monkeypatch):
    gone, stays = make_instance(), make_instance()
    pause = editing.pause

    def pause_after_removal(pk):
        Instance.objects.filter(pk=gone.pk).delete()
        return pause(pk)

    monkeypatch.setattr("nodes.admin.editing.pause", pause_after_removal)

    assert "1 paused." in act(admin, "pause_polling", gone, stays)
    stays.refresh_from_db()
    assert stays.is_paused


def test_poll_now_tells_of_those_that_are_paused(admin):
    page = act(
        admin, "poll_now", make_instance(), make_instance(is_paused=True), make_instance(is_paused=True)
    )

    assert "1 will be polled within a second or two." in page
    assert "2 paused: resume polling first." in page


def test_poll_now_makes_due_at_once_but_wakes_no_paused_one(admin):
    instance = make_instance(next_poll_at=NOON)
    paused = make_instance(next_poll_at=NOON, is_paused=True)

    act(admin, "poll_now", instance, paused)

    assert list(Instance.objects.values_list("next_poll_at", flat=True)) == [None, NOON]


def test_deleting_selected_instances_uses_the_verb(admin):
    first, second = make_instance(), make_instance()
    make_guest(first)

    confirm = admin.post(LIST, {"action": "delete_selected", "_selected_action": [first.pk]}).content.decode()
    admin.post(LIST, {"action": "delete_selected", "_selected_action": [first.pk], "post": "yes"})

    assert "guests: 1" in confirm.lower()
    assert list(Instance.objects.values_list("pk", flat=True)) == [second.pk]


def test_deleting_one_instance_takes_its_inventory_along(admin):
    instance = make_instance()
    make_guest(instance)

    response = admin.post(f"{LIST}{instance.pk}/delete/", {"post": "yes"})

    assert response.status_code == 302
    assert not Instance.objects.exists()


# --- the inventory ----------------------------------------------------------------------------------------------------

INVENTORY = [
    ("node", make_node),
    ("guest", make_guest),
    ("storage", make_storage),
    ("datastore", make_datastore),
]


@pytest.mark.parametrize(("model", "make"), INVENTORY)
def test_the_inventory_is_listed_and_shown_but_not_changed(admin, model, make):
    row = make()
    base = f"/admin/nodes/{model}/"

    assert admin.get(base).status_code == 200
    assert admin.get(f"{base}{row.pk}/change/").status_code == 200
    assert admin.get(f"{base}add/").status_code == 403
    assert admin.post(f"{base}{row.pk}/change/", {"name": "x"}).status_code == 403
    assert admin.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(("model", "make"), INVENTORY)
def test_an_inventory_list_costs_the_same_queries_for_one_and_for_ten(admin, model, make):
    instance = make_instance("pbs" if model == "datastore" else "pve")
    counts = []
    for numbers in (range(1), range(1, 10)):
        for number in numbers:
            make(instance, **({"vmid": 100 + number} if model == "guest" else {"name": f"n{number}"}))
        with CaptureQueriesContext(connection) as queries:
            admin.get(f"/admin/nodes/{model}/")
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_guests_are_found_by_vmid_name_and_tag(admin):
    instance = make_instance()
    make_guest(instance, 101, name="web", tags="prod")
    make_guest(instance, 202, name="mail", tags="test")

    shown = [
        ("web" in page, "mail" in page)
        for page in (
            admin.get("/admin/nodes/guest/", {"q": q}).content.decode() for q in ("202", "web", "prod")
        )
    ]

    assert shown == [(False, True), (True, False), (True, False)]

"""`pulse instance`: what it prints, what it stores, and the code it leaves with."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from nodes.models import Instance
from nodes.probe import Certificate
from nodes.proxmox.errors import LoginFailed, Refused
from pulse.lib.crypto import unseal
from tests.factories import make_guest, make_instance
from tests.probing import FINGERPRINT, TOLD, answers, found, found_cluster, found_second_member

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

SECRET = "canary-secret"
ADD = ("add", "--type", "pve", "--host", "pve1.lab", "--token-id", "pulse@pam!pulse")


class Terminal(io.StringIO):
    """Standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def secret_on_standard_input(monkeypatch, host_probe, shown_certificate):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n" * 9))


@pytest.fixture
def reachable(host_probe):
    answers(host_probe, found())


def run(*arguments):
    """Return what the command prints."""
    output = io.StringIO()
    call_command("instance", *arguments, stdout=output)
    return output.getvalue()


def refusal(*arguments):
    """Return the code and the sentence with which the command leaves."""
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value.returncode, str(caught.value)


def stored_secret(instance):
    return unseal(instance.sealed_token, place=instance.token_place)


# --- add --------------------------------------------------------------------------------------------------------------


def test_an_instance_is_added_with_the_certificate_that_was_accepted(reachable):
    printed = run(*ADD, "--accept-certificate")

    instance = Instance.objects.get()
    assert "Added pve-0, pve1.lab." in printed
    assert ":".join(["AB"] * 32) in printed
    assert (instance.host, instance.fingerprint) == ("https://pve1.lab:8006", FINGERPRINT)
    assert stored_secret(instance) == SECRET


def test_the_certificate_is_described_before_it_is_accepted(reachable, shown_certificate):
    shown_certificate.return_value = Certificate(
        fingerprint=FINGERPRINT,
        subject="CN=pve1.lab",
        issuer="CN=Proxmox",
        not_after=datetime(2027, 5, 1, tzinfo=UTC),
        names=("pve1.lab", "192.0.2.10"),
    )

    printed = run(*ADD, "--accept-certificate")

    for part in ("CN=pve1.lab", "CN=Proxmox", "2027-05-01", "pve1.lab, 192.0.2.10", "nobody known"):
        assert part in printed


def test_a_certificate_that_nobody_confirms_stops_before_anything_is_sent(host_probe):
    code, sentence = refusal(*ADD)

    assert (code, host_probe.call_count) == (3, 0)
    assert "nothing was sent" in sentence
    assert not Instance.objects.exists()


@pytest.mark.parametrize(
    ("answer", "is_added"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False)]
)
def test_a_person_at_the_terminal_is_asked(reachable, monkeypatch, answer, is_added):
    monkeypatch.setattr("getpass.getpass", lambda prompt: SECRET)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    if is_added:
        run(*ADD)
    else:
        assert refusal(*ADD)[0] == 3

    assert Instance.objects.exists() is is_added


def test_a_known_fingerprint_needs_no_question(reachable, shown_certificate, host_probe):
    run(*ADD, "--fingerprint", ":".join(["CD"] * 32))

    assert Instance.objects.get().fingerprint == "cd" * 32
    assert shown_certificate.call_count == 0
    assert host_probe.call_args.args[0].fingerprint == "cd" * 32


def test_the_authorities_may_decide(reachable):
    run(*ADD, "--verify-tls")

    instance = Instance.objects.get()
    assert (instance.verify_tls, instance.fingerprint) == (True, "")


def test_a_failed_login_stores_nothing(host_probe):
    host_probe.side_effect = LoginFailed("pve1.lab:8006 does not accept the token")

    code, sentence = refusal(*ADD, "--accept-certificate")

    assert code == 1
    assert "does not accept the token" in sentence
    assert not Instance.objects.exists()


def test_a_host_that_is_down_can_be_stored_without_a_test(host_probe, shown_certificate):
    shown_certificate.side_effect = Refused("pve1.lab:8006 refused the connection")

    assert refusal(*ADD)[0] == 1
    run(*ADD, "--no-test")

    assert Instance.objects.get().host == "https://pve1.lab:8006"


def test_a_host_without_tls_is_confirmed_too(reachable):
    arguments = ("add", "--type", "pve", "--host", "http://pve1.lab", "--token-id", "pulse@pam!pulse")

    assert refusal(*arguments)[0] == 3
    assert "in clear" in run(*arguments, "--accept-certificate")


def test_the_secret_may_come_from_a_file(reachable, tmp_path):
    path = tmp_path / "secret"
    path.write_text("from-a-file\n")

    run(*ADD, "--accept-certificate", "--token-value-file", str(path))

    assert stored_secret(Instance.objects.get()) == "from-a-file"


@pytest.mark.parametrize("option", [(), ("--token-value-file", "-")], ids=["by-itself", "with-a-dash"])
def test_the_secret_may_come_from_standard_input(reachable, monkeypatch, option):
    monkeypatch.setattr(sys, "stdin", io.StringIO("from-stdin\n"))

    run(*ADD, "--accept-certificate", *option)

    assert stored_secret(Instance.objects.get()) == "from-stdin"


def test_the_secret_is_asked_for_without_an_echo(reachable, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    monkeypatch.setattr("getpass.getpass", lambda prompt: "typed" if prompt == "Token secret: " else "")

    run(*ADD, "--accept-certificate")

    assert stored_secret(Instance.objects.get()) == "typed"


def test_a_user_with_a_password_is_possible_too(reachable):
    run("add", "--type", "pbs", "--host", "pbs.lab", "--user", "admin", "--accept-certificate")

    instance = Instance.objects.get()
    assert (instance.wire_id, instance.user) == ("pbs-0", "admin@pbs")
    assert unseal(instance.sealed_password, place=instance.password_place) == SECRET


@pytest.mark.parametrize(
    "arguments",
    [
        (*ADD[:4], "ftp://pve1.lab", *ADD[5:]),
        (*ADD[:-1], "bare"),
        (*ADD, "--fingerprint", "12"),
        (*ADD, "--token-value-file", "/nonexistent/secret"),
    ],
    ids=["host", "token", "fingerprint", "file"],
)
def test_wrong_input_is_told_before_anything_is_sent(arguments, host_probe, shown_certificate):
    code, sentence = refusal(*arguments)

    assert (code, host_probe.call_count, shown_certificate.call_count) == (2, 0, 0)
    assert sentence
    assert not Instance.objects.exists()


def test_an_empty_secret_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))

    assert refusal(*ADD)[0] == 2


def test_the_same_host_again_is_updated(reachable):
    make_instance(name="lab", host="https://pve1.lab:8006")

    assert "updated pve-0, lab" in run(*ADD, "--accept-certificate")


def test_a_member_of_a_known_cluster_leads_to_the_cluster(host_probe):
    make_instance(name="lab", **TOLD)
    answers(host_probe, found_second_member())

    assert "belongs to the cluster lab-cluster" in run(*ADD, "--accept-certificate")


def test_the_secret_is_never_printed(host_probe):
    answers(host_probe, found())
    printed = run(*ADD, "--accept-certificate") + run("test", "pve-0") + run("list") + run("list", "--json")
    host_probe.side_effect = LoginFailed("pve1.lab:8006 does not accept the token")
    printed += refusal(*ADD, "--accept-certificate")[1]

    assert SECRET not in printed


# --- list, test -------------------------------------------------------------------------------------------------------


def test_the_list_is_a_table():
    make_instance(name="lab", state="failing", failure_message="It does not answer")
    make_instance("pbs", name="vault", is_paused=True)

    assert run("list").splitlines() == [
        "ID     NAME   HOST                      STATE            LAST ANSWER  PROBLEM",
        "pve-0  lab    https://192.0.2.10:8006   Does not answer  never        It does not answer",
        "pbs-0  vault  https://192.0.2.100:8007  Paused           never",
    ]


def test_the_list_can_be_read_by_programs():
    make_instance(name="lab")

    (listed,) = json.loads(run("list", "--json"))

    assert (listed["id"], listed["name"], listed["hasToken"]) == ("pve-0", "lab", True)


def test_a_host_cannot_steer_the_terminal(host_probe):
    make_instance(failure_message="\x1b[2Jgone")
    host_probe.side_effect = Refused("\x1b[2Jgone")

    assert "\x1b" not in run("list")
    assert "\x1b" not in refusal("test", "pve-0")[1]


def test_the_test_explains_each_step(host_probe):
    make_instance(name="lab", fingerprint=FINGERPRINT)
    answers(host_probe, found_cluster("lab-cluster", members=3))

    lines = run("test", "lab").splitlines()

    assert [line.split()[:2] for line in lines] == [
        ["ok", "address"],
        ["ok", "credential"],
        ["ok", "certificate"],
        ["ok", "login"],
        ["ok", "contents"],
    ]
    assert "as pinned" in lines[2]
    assert lines[4].endswith("3 node(s) of the cluster lab-cluster")


def test_the_test_of_a_pbs_tells_its_datastores(host_probe):
    make_instance("pbs")
    answers(host_probe, found("pbs", datastore_count=4))

    assert "4 datastore(s)" in run("test", "pbs-0")


def test_the_test_names_the_step_that_failed(host_probe, shown_certificate):
    make_instance()
    shown_certificate.side_effect = Refused("192.0.2.10:8006 refused the connection")

    assert refusal("test", "pve-0") == (1, "the test failed at the certificate")


def test_the_test_tells_another_certificate_than_the_pinned_one(host_probe, capsys):
    make_instance(fingerprint="cd" * 32)
    output = io.StringIO()

    with pytest.raises(CommandError):
        call_command("instance", "test", "pve-0", stdout=output)

    assert "which is pinned" in output.getvalue()


def test_a_secret_that_cannot_be_opened_fails_at_the_credential():
    instance = make_instance()
    Instance.objects.filter(pk=instance.pk).update(sealed_token="v1.deadbeef.AAAA")

    assert refusal("test", "pve-0") == (1, "the test failed at the credential")


# --- remove, pause, resume ----------------------------------------------------------------------------------------------


def test_an_instance_is_removed_by_its_id_or_name():
    make_guest(make_instance(name="lab"))
    make_instance(name="other")

    assert "Removed pve-0, lab." in run("remove", "lab", "--yes")
    assert list(Instance.objects.values_list("name", flat=True)) == ["other"]


def test_a_removal_is_asked_for():
    make_instance()

    assert refusal("remove", "pve-0")[0] == 3
    assert Instance.objects.count() == 1


def test_an_instance_is_paused_and_resumed():
    instance = make_instance()

    run("pause", "pve-0")
    instance.refresh_from_db()
    assert instance.is_paused

    run("resume", "pve-0")
    instance.refresh_from_db()
    assert not instance.is_paused


@pytest.mark.parametrize("verb", ["test", "remove", "pause", "resume"])
def test_an_unknown_instance_is_told(verb):
    make_instance(name="lab")

    code, sentence = refusal(verb, "elsewhere")

    assert code == 4
    assert "elsewhere" in sentence


def test_a_name_that_means_two_instances_is_told():
    make_instance(name="home")
    make_instance("pbs", name="home")

    code, sentence = refusal("pause", "home")

    assert code == 2
    assert "pve-0 and pbs-0" in sentence

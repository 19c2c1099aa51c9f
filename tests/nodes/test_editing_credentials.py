"""Which credential an instance has after it was added or changed (http-api.md 5.1 and 5.5)."""

from __future__ import annotations

import pytest

from nodes.drafts import (
    Credential,
    Draft,
    Held,
    NotValid,
    changed_credential,
    checked,
    new_credential,
)

HELD_TOKEN = Held(token_id="pulse@pam!pulse", has_token=True)
HELD_PASSWORD = Held(user="monitor@pve", has_password=True)


@pytest.mark.parametrize(
    ("kind", "given", "credential"),
    [
        pytest.param(
            "pve",
            {"user": "monitor@pve", "password": "secret"},
            Credential(user="monitor@pve", password="secret"),
            id="password",
        ),
        pytest.param(
            "pve",
            {"token_id": "pulse@pam!pulse", "token_value": "t"},
            Credential(token_id="pulse@pam!pulse", token_value="t"),
            id="token",
        ),
        pytest.param(
            "pve",
            {"user": "a@pam", "password": "p", "token_id": "b@pam!t", "token_value": "t"},
            Credential(token_id="b@pam!t", token_value="t"),
            id="both-the-token-wins-and-the-password-is-not-stored",
        ),
        pytest.param(
            "pve",
            {"user": "a@pam", "password": "p", "token_id": "b@pam!t"},
            Credential(user="a@pam", password="p"),
            id="password-beside-half-a-token",
        ),
        pytest.param(
            "pve",
            {"user": "root", "password": "p"},
            Credential(user="root@pam", password="p"),
            id="pve-realm",
        ),
        pytest.param(
            "pbs",
            {"user": "admin", "password": "p"},
            Credential(user="admin@pbs", password="p"),
            id="pbs-realm",
        ),
        pytest.param(
            "pve",
            {"user": "a@pve", "token_id": "bare", "token_value": "t"},
            Credential(token_id="a@pve!bare", token_value="t"),
            id="bare-token-takes-the-user",
        ),
        pytest.param(
            "pbs",
            {"user": "a", "token_id": "bare", "token_value": "t"},
            Credential(token_id="a@pbs!bare", token_value="t"),
            id="bare-token-takes-the-user-and-its-realm",
        ),
        pytest.param(
            "pve",
            {"token_id": "first.last@corp.lab@ldap!t", "token_value": "t"},
            Credential(token_id="first.last@corp.lab@ldap!t", token_value="t"),
            id="user-that-is-an-e-mail-address",
        ),
    ],
)
def test_a_new_instance_stores_one_credential(kind, given, credential):
    assert new_credential(Draft(kind=kind, **given)) == credential


@pytest.mark.parametrize(
    ("held", "given", "credential"),
    [
        pytest.param(HELD_TOKEN, {}, None, id="nothing-said-nothing-changes"),
        pytest.param(
            HELD_PASSWORD,
            {"token_id": "a@pam!t", "token_value": "new"},
            Credential(token_id="a@pam!t", token_value="new"),
            id="a-new-token-clears-the-password",
        ),
        pytest.param(
            HELD_TOKEN,
            {"token_id": "a@pam!renamed"},
            Credential(token_id="a@pam!renamed", token_value=None),
            id="a-token-name-alone-keeps-the-secret",
        ),
        pytest.param(
            HELD_TOKEN,
            {"token_value": "new"},
            Credential(token_id="pulse@pam!pulse", token_value="new"),
            id="a-token-secret-alone-keeps-the-name",
        ),
        pytest.param(
            HELD_TOKEN,
            {"user": "a@pam", "password": "new"},
            Credential(user="a@pam", password="new"),
            id="a-password-clears-the-token",
        ),
        pytest.param(
            HELD_PASSWORD,
            {"password": "new"},
            Credential(user="monitor@pve", password="new"),
            id="a-password-alone-keeps-the-user",
        ),
        pytest.param(
            HELD_PASSWORD,
            {"user": "other@pve"},
            Credential(user="other@pve", password=None),
            id="a-user-alone-keeps-the-password",
        ),
    ],
)
def test_a_change_switches_between_token_and_password(held, given, credential):
    assert changed_credential(Draft(kind="pve", **given), held) == credential


@pytest.mark.parametrize(
    ("held", "given", "field"),
    [
        pytest.param(
            HELD_PASSWORD, {"token_id": "a@pam!t"}, "token_value", id="token-name-without-any-secret"
        ),
        pytest.param(Held(), {"token_value": "t"}, "token_id", id="token-secret-without-any-token"),
        pytest.param(HELD_TOKEN, {"user": "a@pam"}, "password", id="user-without-any-password"),
        pytest.param(HELD_TOKEN, {"password": "p"}, "user", id="password-without-any-user"),
        pytest.param(HELD_TOKEN, {"token_id": "bare"}, "token_id", id="bare-token-without-user"),
        pytest.param(HELD_TOKEN, {"user": "no blank@pam", "password": "p"}, "user", id="user-with-blank"),
    ],
)
def test_a_change_that_leaves_half_a_credential_is_refused(held, given, field):
    with pytest.raises(NotValid) as caught:
        changed_credential(Draft(kind="pve", **given), held)

    assert caught.value.field == field


def test_a_placeholder_of_a_form_is_not_a_secret():
    draft = checked(
        Draft(kind="pve", user="monitor@pve", password="\u2022\u2022\u2022\u2022", token_value="****")
    )

    assert (draft.password, draft.token_value) == ("", "")


def test_a_password_keeps_its_blanks():
    assert checked(Draft(kind="pve", password=" two words ")).password == " two words "


def test_flags_of_the_other_kind_are_dropped():
    draft = checked(Draft(kind="pbs", flags={"monitor_vms": False, "monitor_garbage_jobs": True}))

    assert draft.flags == {"monitor_garbage_jobs": True}


def test_a_draft_does_not_show_its_secrets():
    draft = Draft(kind="pve", password="canary-1", token_value="canary-2")

    assert "canary" not in repr(draft)
    assert "canary" not in repr(Credential(password="canary", token_value="canary"))

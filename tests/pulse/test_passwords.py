"""Words of the product, of this machine and of what it watches make no password."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from pulse.passwords import WORDS, ContextWordsValidator
from tests.architecture.test_security_decisions import TEXT
from tests.factories import make_instance

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """A machine and two instances, as they are called."""
    monkeypatch.setattr("socket.gethostname", lambda: "nas-keller.fritz.box")
    make_instance(name="Falkenstein", host="https://pve7.rechenzentrum.example:8006", cluster_name="wolke")
    make_instance(name="zu", host="https://192.0.2.71:8006", number=1)


def is_refused(password: str) -> bool:
    """Return whether nobody may choose it here."""
    try:
        ContextWordsValidator().validate(password)
    except ValidationError as error:
        return [problem.code for problem in error.error_list] == ["password_of_context"]
    return False


@pytest.mark.parametrize(
    "password",
    [
        "proxmox2026!",
        "PulsePulse123",
        "ｐｒｏｘｍｏｘ2026!",
        "Proxmox-Pulse",
        "pve-pbs-pmg-12",
        "falkenstein1",
        "FALKENSTEIN 7",
        "nas-keller-01",
        "nas-keller.fritz.box",
        "pve7.rechenzentrum.example",
        "wolke-wolke-9",
        "192.0.2.71!!",
    ],
)
def test_they_are_refused_with_little_beside_them(password):
    assert is_refused(password)


@pytest.mark.parametrize(
    "password",
    [
        "pulse is my favourite tool",
        "falkenstein Ahth7eiW",
        "zu zu zu zu zu",
        "correct horse battery",
        "tr0ub4dor and 3",
    ],
)
def test_they_may_be_part_of_one(password):
    assert not is_refused(password)


def test_the_rule_holds_wherever_a_password_is_set():
    with pytest.raises(ValidationError, match="names of this product"):
        validate_password("Falkenstein1")


def test_a_password_that_the_sign_in_would_not_take_is_refused_everywhere():
    validate_password("drei Kamele, " + "x" * 115)

    with pytest.raises(ValidationError, match="may have 128 characters"):
        validate_password("drei Kamele, " + "x" * 116)


def test_the_document_lists_the_words():
    listed = TEXT.partition("Words that make no password: ")[2].partition(".")[0]

    assert set(listed.replace("`", "").replace("\n", " ").split(", ")) == WORDS
    assert "pulse.passwords.ContextWordsValidator" in [
        entry["NAME"] for entry in settings.AUTH_PASSWORD_VALIDATORS
    ]

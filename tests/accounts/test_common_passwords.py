"""Passwords that many people use, and what they make of them to get to twelve characters."""

from __future__ import annotations

import random
import string

import pytest
from django.core.exceptions import ValidationError

from accounts.passwords import CommonPasswordValidator


@pytest.fixture(scope="module")
def validator() -> CommonPasswordValidator:
    """The validator of the settings."""
    return CommonPasswordValidator()


def is_refused(validator: CommonPasswordValidator, password: str) -> bool:
    """Return whether nobody may choose it."""
    try:
        validator.validate(password)
    except ValidationError as error:
        return error.messages == ["This password is too common."]
    return False


@pytest.mark.parametrize(
    "password",
    [
        "qwerty123456",
        "QWERTY123456",
        "ＱＷＥＲＴＹ123456",
        "passwordpassword",
        "Passwordpass",
        "Password2026!",
        "!!Password2026",
        "P@ssw0rd2026",
        "p455w0rd!!!!",
        "welcome12345",
        "liverpool!123",
        "1q2w3e4r5t6y7u",
        "xxxxxxxxxxxx",
        "121212121212",
        "abcdefghijkl",
        "zyxwvutsrqpo",
        "123456abcdef",
        "123456789zxc",
        "dragonmonkey",
        "DragonMonkey1",
        "angel12342026!",
        "28282828!!!!",
        "administrator1",
    ],
)
def test_a_common_password_is_refused_in_every_disguise(password, validator):
    assert is_refused(validator, password)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "CorrectHorseBattery",
        "another long password",
        "monkey 739184620573",
        "summer-winter-7",
        "Ahth7eiW mo4Oi",
        "739184620573",
        "пароль на русском",
        "twelve chars",
        "x" * 100 + "y" * 28,
        "",
    ],
)
def test_what_only_holds_one_is_not(password, validator):
    assert not is_refused(validator, password)


@pytest.mark.slow
def test_far_more_than_3000_that_are_long_enough_are_refused(validator):
    common = sorted(validator.passwords)
    made = {
        *(password for password in common if len(password) >= 12),
        *(password * 2 for password in common if len(password) == 6),
        *(f"{password.capitalize()}2026!" for password in common if len(password) == 8),
    }
    refused = sum(is_refused(validator, password) for password in made)

    assert {len(password) >= 12 for password in made} == {True}
    assert refused > 9_000
    assert refused / len(made) > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("signs", [string.ascii_lowercase, string.digits, string.printable.strip()])
def test_what_a_machine_has_drawn_is_not_refused(signs, validator):
    drawn = random.Random(11)

    assert [
        password
        for password in ("".join(drawn.choices(signs, k=12)) for _ in range(2000))
        if is_refused(validator, password)
    ] == []


def test_the_longest_one_is_judged_in_no_time(validator):
    import time

    started = time.thread_time()
    is_refused(validator, "1" * 8 + "x" * 56 + "y" + "x" * 55 + "1" * 8)

    assert time.thread_time() - started < 0.25

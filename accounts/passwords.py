"""Which passwords nobody may choose because others have: the common ones, and what is made of them. Pure.

Django's own list has the 20,000 passwords that were found most often in breaches, but fewer than 200 of them are as long
as ours must be: people who need twelve characters write a short one twice, or put digits behind it. So whatever
comes down to a common password is one. Source: OWASP ASVS 5.0, 6.2.4 and 6.2.12.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import pairwise

from django.contrib.auth import password_validation
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError

logger = logging.getLogger(__name__)

#: Digits and signs at both ends that add nothing worth the name: `2026!`, `12345678`. More of them may be random.
MAX_ADDED_CHARS = 8
#: Shorter ones are found in any text.
MIN_PART_CHARS = 3
#: Two short words in a row, which stand in many a text that was drawn, are more than one: both together have to be this long.
MIN_PAIR_CHARS = 8
#: What is written for a letter; 1 stands for two of them.
SIGNS = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
SPELLINGS = tuple(str.maketrans({**SIGNS, "1": letter}) for letter in "il")


class CommonPasswordValidator(password_validation.CommonPasswordValidator):
    """Refuses the passwords of Django's list, and what comes down to one of them."""

    @cached_property
    def repeated(self) -> frozenset[str]:
        """What the common passwords repeat: `ab` for `ababab`, the password itself where it repeats nothing."""
        return frozenset(unit_of(password) for password in self.passwords)

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Raise ValidationError for a password that others have, whatever was done to it."""
        if any(self.is_common(text) for text in reductions(password)):
            raise ValidationError("This password is too common.", code="password_too_common")

    def password_changed(self, password: str, user: AbstractBaseUser) -> None:
        """Log that a password was set: Django tells the validators, in whatever way it was done."""
        logger.info("the password of %s was set", user.get_username())

    def is_common(self, text: str) -> bool:
        """Return whether the text is a common password, one again and again, two in a row, or signs that follow each other."""
        return (
            text in self.passwords
            or unit_of(text) in self.repeated
            or is_run(text)
            or is_two_of(text, self.passwords)
        )

    def get_help_text(self) -> str:
        """Return the rule in words."""
        return (
            "It can't be one that many people use, nor such a one repeated, with digits behind it or with signs for "
            "letters."
        )


class MaximumLengthValidator:
    """Refuses what the sign-in would not take."""

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Raise ValidationError for a longer one."""
        if len(password) > self.max_length:
            raise ValidationError(
                f"This password is too long. It may have {self.max_length} characters.",
                code="password_too_long",
            )

    def get_help_text(self) -> str:
        """Return the rule in words."""
        return f"It may have at most {self.max_length} characters."


def reductions(password: str) -> Iterator[str]:
    """Yield what a password comes down to: small letters, without what was added at its ends, and signs read as letters."""
    for form in without_ends(unicodedata.normalize("NFKC", password).casefold()):
        yield form
        for spelling in SPELLINGS:
            yield form.translate(spelling)


def without_ends(text: str) -> Iterator[str]:
    """Yield the text, and what is left of it without some of the digits and signs at its ends.

    Of a number only signs are taken away: some part of any long number is a common one.
    """
    letters = [place for place, sign in enumerate(text) if sign.isalpha()]
    others = [place for place, sign in enumerate(text) if sign.isalnum()]
    first, last = (letters or others or [0])[0], (letters or others or [len(text) - 1])[-1]
    for start in range(min(first, MAX_ADDED_CHARS) + 1):
        for end in range(max(last + 1, len(text) - MAX_ADDED_CHARS + start), len(text) + 1):
            if end - start >= MIN_PART_CHARS:
                yield text[start:end]


def unit_of(text: str) -> str:
    """Return the shortest part of which the text is made by repetition, whose last one may be cut off; else the text."""
    for length in range(1, len(text) // 2 + 1):
        if text[length:] == text[:-length]:
            return text[:length]
    return text


def is_run(text: str) -> bool:
    """Return whether each character follows the one before, as in `abcdefgh` and `87654321`."""
    steps = {ord(second) - ord(first) for first, second in pairwise(text)}
    return steps in ({1}, {-1})


def is_two_of(text: str, passwords: Collection[str]) -> bool:
    """Return whether the text is one common password directly behind another."""
    return len(text) >= MIN_PAIR_CHARS and any(
        text[:place] in passwords and text[place:] in passwords
        for place in range(MIN_PART_CHARS, len(text) - MIN_PART_CHARS + 1)
    )

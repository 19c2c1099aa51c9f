"""The columns of an instance that a person decides, each declared once: form, admin, API, command line and drafts read it here.

A column says how the wire calls it and which products have it. Migrations see the plain column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    Text = models.CharField[str | int | models.expressions.Combinable, str]
    LongText = models.TextField[str | models.expressions.Combinable, str]
    Truth = models.BooleanField[bool | models.expressions.Combinable, bool]
else:  # the classes take parameters for type checkers only
    Text, LongText, Truth = models.CharField, models.TextField, models.BooleanField


class Decided:
    """A column that a person decides; beside it stands what Django does not know."""

    plain = ""
    name: str

    def __init__(
        self, *args: Any, wire: str = "", given_as: str = "", kinds: Sequence[str] = (), **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.wire = wire
        self.kinds = kinds
        self._given_as = given_as

    @property
    def given_as(self) -> str:
        """The name under which it is given: its own, unless what is given is not what is stored."""
        return self._given_as or self.name

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Return the column as migrations know it."""
        name, _, args, options = super().deconstruct()  # type: ignore[misc]  # of the column beside this class
        return name, f"django.db.models.{self.plain}", args, options


class DecidedText(Decided, Text):
    """A text."""

    plain = "CharField"


class Secret(Decided, LongText):
    """A secret: stored sealed and given under another name; all that is shown is `shown_as`, whether there is one."""

    plain = "TextField"

    def __init__(self, *args: Any, shown_as: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.shown_as = shown_as


class DecidedTruth(Decided, Truth):
    """A truth value."""

    plain = "BooleanField"


class Flag(DecidedTruth):
    """What is to be monitored, on instances of some kinds; on those of other kinds it is ignored.

    The wire has those that are ours, beside the contract, behind everything that the contract knows.
    """

    def __init__(self, *args: Any, is_ours: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_ours = is_ours

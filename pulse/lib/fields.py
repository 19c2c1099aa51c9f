"""Serializer fields for the wire: exact JSON types without coercion, and instants as the contract writes them.

Source: errors.md section 3 ("no coercion") and http-api.md 1.1 of the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rest_framework import serializers

from pulse.lib.errors import WRONG_TYPE
from pulse.lib.instants import rfc3339


class TextField(serializers.CharField):
    """A JSON string; a number or a truth value is not read as one. Blanks at the ends are the verb's matter."""

    default_error_messages = {WRONG_TYPE: "must be text"}

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("allow_blank", True)
        options.setdefault("trim_whitespace", False)
        super().__init__(**options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Check the type before REST framework looks for blanks."""
        if data is not serializers.empty and not isinstance(data, str):
            self.fail(WRONG_TYPE)
        return super().run_validation(data)


class TruthField(serializers.Field[bool, bool, bool, Any]):
    """A JSON truth value; neither "true" nor 1 is one."""

    default_error_messages = {WRONG_TYPE: "must be true or false"}

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)

    def to_internal_value(self, data: object) -> bool:
        """Return the value as it is."""
        if not isinstance(data, bool):
            self.fail(WRONG_TYPE)
        return data

    def to_representation(self, value: bool) -> bool:
        """Return the value as it is."""
        return bool(value)


class WholeField(serializers.Field[int, int, int, Any]):
    """A whole JSON number within bounds; neither 5.0 nor "5" is one."""

    default_error_messages = {WRONG_TYPE: "must be a whole number"}

    def __init__(self, lowest: int, highest: int, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)
        self.lowest, self.highest = lowest, highest

    def to_internal_value(self, data: object) -> int:
        """Return the number."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail(WRONG_TYPE)
        if not self.lowest <= data <= self.highest:
            raise serializers.ValidationError(f"must be a whole number from {self.lowest} to {self.highest}")
        return data

    def to_representation(self, value: int) -> int:
        """Return the number as it is."""
        return value


class NumberField(serializers.Field[float, float, float, Any]):
    """A JSON number within bounds, with or without a fraction; "5" is none."""

    default_error_messages = {WRONG_TYPE: "must be a number"}

    def __init__(self, lowest: float, highest: float, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)
        self.lowest, self.highest = lowest, highest

    def to_internal_value(self, data: object) -> float:
        """Return the number."""
        if not isinstance(data, int | float) or isinstance(data, bool):
            self.fail(WRONG_TYPE)
        if not self.lowest <= data <= self.highest:
            raise serializers.ValidationError(f"must be a number from {self.lowest:g} to {self.highest:g}")
        return float(data)

    def to_representation(self, value: float) -> float:
        """Return the number as it is."""
        return value


class TextsField(serializers.Field[list[str], list[str], list[str], Any]):
    """A JSON list of one or more texts, and of `most` at most."""

    default_error_messages = {WRONG_TYPE: "must be a list of texts"}

    def __init__(self, most: int, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)
        self.most = most

    def to_internal_value(self, data: object) -> list[str]:
        """Return the list as it is."""
        if not (isinstance(data, list) and all(isinstance(item, str) for item in data)):
            self.fail(WRONG_TYPE)
        if not 1 <= len(data) <= self.most:
            raise serializers.ValidationError(f"must be a list of 1 to {self.most} texts")
        return data

    def to_representation(self, value: list[str]) -> list[str]:
        """Return the list as it is."""
        return value


class MomentField(serializers.Field[str, str, str, Any]):
    """An instant in a body: RFC 3339, or epoch seconds or milliseconds as a number or as text; returned as text."""

    default_error_messages = {WRONG_TYPE: "must be epoch seconds, epoch milliseconds or an RFC 3339 time"}

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)

    def to_internal_value(self, data: object) -> str:
        """Return the text; what it means is looked at with the rest."""
        if not isinstance(data, str | int) or isinstance(data, bool):
            self.fail(WRONG_TYPE)
        return str(data)

    def to_representation(self, value: str) -> str:
        """Return the text as it is."""
        return value


class ChoicesField(serializers.Field[list[str], list[str], list[str], Any]):
    """A JSON list of one or more of these texts."""

    default_error_messages = {WRONG_TYPE: "must be a list of texts"}

    def __init__(self, choices: Sequence[str], **options: Any) -> None:
        problem = f"must be a list of one or more of {', '.join(choices)}"
        super().__init__(error_messages={"required": problem, "invalid": problem}, **options)
        self.choices = tuple(choices)

    def to_internal_value(self, data: object) -> list[str]:
        """Return the list as it is."""
        if not (isinstance(data, list) and all(isinstance(item, str) for item in data)):
            self.fail(WRONG_TYPE)
        if not data or not all(item in self.choices for item in data):
            self.fail("invalid")
        return data

    def to_representation(self, value: list[str]) -> list[str]:
        """Return the list as it is."""
        return value


class TextMapField(serializers.Field[dict[str, str], dict[str, str], dict[str, str], Any]):
    """A JSON object whose values are texts."""

    default_error_messages = {WRONG_TYPE: "must be an object of texts"}

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)

    def to_internal_value(self, data: object) -> dict[str, str]:
        """Return the object as it is."""
        if not (isinstance(data, dict) and all(isinstance(value, str) for value in data.values())):
            self.fail(WRONG_TYPE)
        return data

    def to_representation(self, value: dict[str, str]) -> dict[str, str]:
        """Return the object as it is."""
        return value


class InstantField(serializers.Field[Any, Any, str, Any]):
    """An instant, RFC 3339 in UTC; the zero time where it is not known."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("read_only", True)
        super().__init__(**options)

    def get_attribute(self, instance: Any) -> Any:
        """Return the instant, wrapped so that an unknown one is written too."""
        return (super().get_attribute(instance),)

    def to_representation(self, value: tuple[datetime | None]) -> str:
        """Return the text of the instant."""
        return rfc3339(value[0])


def read_fields(serializer: type[serializers.Serializer[Any]], body: dict[str, object]) -> dict[str, Any]:
    """Return the known fields of a JSON object under our names; null counts as absent, unknown keys are ignored.

    Raises REST framework's ValidationError; `pulse.lib.errors` makes the answer of it.
    """
    form = serializer(data={key: value for key, value in body.items() if value is not None})
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)

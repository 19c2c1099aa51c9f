"""What the routes of the door take, under its wire names."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.tokens import MAX_EXPIRY_DAYS, NAME_LIMIT, is_token_name
from pulse.lib.auth import SCOPES
from pulse.lib.fields import ChoicesField, TextField, WholeField

NO_NAME = f"must be a text of 1 to {NAME_LIMIT} characters"


class NewTokenSerializer(serializers.Serializer[Any]):
    """An API token to be made: its name, what it may do, and how long it is good; for ever unless that is said."""

    name = TextField(required=True, error_messages={"required": NO_NAME})
    scopes = ChoicesField(SCOPES)
    expiresInDays = WholeField(1, MAX_EXPIRY_DAYS, source="expires_in_days")

    def validate_name(self, name: str) -> str:
        """Return the name without blanks at its ends."""
        if not is_token_name(name):
            raise serializers.ValidationError(NO_NAME)
        return name.strip()

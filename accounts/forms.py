"""What people type to come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator

from pulse.lib.auth import SCOPES, Access

MAX_PASSWORD_CHARS = 128


class UnshownInput(forms.TextInput):
    """A field for a secret that people copy: seen while it is typed, never sent back with the page."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Return the context without the value."""
        return super().get_context(name, None, attrs)


class SignInForm(forms.Form):
    """Name and password, and how long the browser is remembered."""

    username = forms.CharField(
        label="Name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        max_length=MAX_PASSWORD_CHARS,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    remember = forms.BooleanField(
        label="Stay signed in on this device for 30 days",
        required=False,
    )


class NewPasswordForm(forms.Form):
    """A password that somebody chooses, typed twice."""

    password = forms.CharField(
        max_length=MAX_PASSWORD_CHARS,
        strip=False,
        help_text="12 characters or more.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password_again = forms.CharField(
        max_length=MAX_PASSWORD_CHARS,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def account(self) -> User:
        """Return whose password it will be."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        """Hold the password to the rules of every account, and compare the two."""
        given = super().clean() or self.cleaned_data
        password = given.get("password")
        if password is None:
            return given
        try:
            validate_password(password, self.account())
        except forms.ValidationError as error:
            self.add_error("password", error)
        if password != given.get("password_again", password):
            self.add_error("password_again", "The two passwords differ.")
        return given


class ClaimForm(NewPasswordForm):
    """A proof of access to the machine, and the first account."""

    field_order = ("code", "username", "password", "password_again")

    code = forms.CharField(
        label="One-time code",
        max_length=512,
        widget=UnshownInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
        help_text="Printed by “pulse claim-code” on the machine that runs Pulse. Its API_TOKEN does as well.",
    )
    username = forms.CharField(
        label="Your name",
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        widget=forms.TextInput(attrs={"autocomplete": "username"}),
    )

    def account(self) -> User:
        """Return the account that is to be made."""
        return User(username=self.cleaned_data.get("username", ""))


class PasswordForm(NewPasswordForm):
    """The own password, and the one that takes its place."""

    field_order = ("old_password", "password", "password_again")

    old_password = forms.CharField(
        label="Your password now",
        max_length=MAX_PASSWORD_CHARS,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, user: User, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.user = user
        for name, label in (("password", "New password"), ("password_again", "New password again")):
            self.fields[name].label = label
        self.fields["password"].help_text = " ".join(password_validators_help_texts())

    def account(self) -> User:
        """Return the account as it is."""
        return self.user


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(max_length=100, help_text="Who or what will use it.")
    scopes = forms.TypedMultipleChoiceField(
        choices=[(str(scope), str(scope)) for scope in SCOPES],
        coerce=Access,
        initial=[str(Access.MONITORING_READ)],
        widget=forms.CheckboxSelectMultiple,
    )
    expires_in_days = forms.IntegerField(
        required=False, min_value=1, max_value=3650, help_text="Empty: never."
    )

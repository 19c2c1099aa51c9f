"""The form of an instance in the admin; secrets go in and are never shown again."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django import forms

from nodes.configuring import apply, proposed
from nodes.drafts import DECIDED, Checked, Draft, NotValid, checked, draft_of
from nodes.models import Instance

if TYPE_CHECKING:
    InstanceModelForm = forms.ModelForm[Instance]
else:  # the class takes a parameter for type checkers only
    InstanceModelForm = forms.ModelForm

UNCHANGED = "Leave empty to keep the stored one; another host or certificate needs it again."


class InstanceForm(InstanceModelForm):
    """What a person may decide about an instance. Its errors are those of the API, because it asks the same rules."""

    password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=f"Together with a user; an API token is the better way. {UNCHANGED}",
    )
    token_value = forms.CharField(
        label="Token secret",
        required=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text=f"Proxmox shows it once, when the token is made. {UNCHANGED}",
    )

    class Meta:
        model = Instance
        fields = tuple(column.name for column in DECIDED if column.name == column.given_as)

    #: What was asked for: everything of a new instance, and of an old one what the person changed.
    checked: Checked

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, help_text in (
            ("name", "Leave empty to call it by its host."),
            (
                "fingerprint",
                "SHA-256 of the certificate; empty when changing it means: accept any certificate.",
            ),
        ):
            if name in self.fields:
                self.fields[name].required = False
                self.fields[name].help_text = help_text
        if "fingerprint" in self.fields:
            # 95 characters as Proxmox shows it; the model holds it without colons.
            self.fields["fingerprint"] = forms.CharField(
                required=False, max_length=110, help_text=self.fields["fingerprint"].help_text
            )

    def clean(self) -> dict[str, Any]:
        """Check the values by the rules of the verbs, and put host and fingerprint into the stored form."""
        super().clean()
        cleaned: dict[str, Any] = self.cleaned_data
        if self.errors:
            return cleaned
        try:
            if self.instance._state.adding:
                self.checked = proposed(self.draft())
            else:
                self.checked = checked(self.draft())
                apply(self.checked, copy(self.instance))
        except NotValid as problem:
            self.add_error(problem.field if problem.field in self.fields else None, problem.message)
            return cleaned
        if self.checked.host:
            cleaned["host"] = self.checked.host
        if self.checked.fingerprint is not None:
            cleaned["fingerprint"] = self.checked.fingerprint
        if not cleaned.get("name") and not self.instance._state.adding:
            cleaned["name"] = self.instance.name
        return cleaned

    def draft(self) -> Draft:
        """Return what was asked for, as it was typed."""
        values, is_new = self.cleaned_data, self.instance._state.adding
        given = {name: values[name] for name in values if is_new or name in self.changed_data}
        return draft_of(given, kind=values.get("kind") or self.instance.kind)

"""The form of an instance in the admin; secrets go in and are never shown again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from nodes.drafts import EVERY_FLAG, Draft, NotValid, changed_credential, checked, new_credential
from nodes.editing import held_by
from nodes.models import Instance

if TYPE_CHECKING:
    InstanceModelForm = forms.ModelForm[Instance]
else:  # the class takes a parameter for type checkers only
    InstanceModelForm = forms.ModelForm

UNCHANGED = "Leave empty to keep the stored one."


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
        fields = (
            "kind",
            "name",
            "host",
            "user",
            "token_id",
            "fingerprint",
            "verify_tls",
            "monitor_vms",
            "monitor_containers",
            "monitor_storage",
            "monitor_backups",
            "monitor_datastores",
            "monitor_sync_jobs",
            "monitor_verify_jobs",
            "monitor_prune_jobs",
            "monitor_garbage_jobs",
            "reads_smart",
        )

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
            draft = checked(self.draft(cleaned))
            if self.instance._state.adding:
                new_credential(draft)
            else:
                changed_credential(draft, held_by(self.instance))
        except NotValid as problem:
            self.add_error(problem.field if problem.field in self.fields else None, problem.message)
            return cleaned
        if draft.host:
            cleaned["host"] = draft.host
        if draft.fingerprint is not None:
            cleaned["fingerprint"] = draft.fingerprint
        if not cleaned.get("name") and not self.instance._state.adding:
            cleaned["name"] = self.instance.name
        return cleaned

    def draft(self, values: dict[str, Any] | None = None) -> Draft:
        """Return what was asked for: everything of a new instance, and of an old one what the person changed."""
        values = self.cleaned_data if values is None else values
        is_new = self.instance._state.adding
        said = {name: values[name] for name in values if is_new or name in self.changed_data}
        return Draft(
            kind=values.get("kind") or self.instance.kind,
            name=said.get("name", ""),
            host=said.get("host", ""),
            user=said.get("user", ""),
            password=said.get("password", ""),
            token_id=said.get("token_id", ""),
            token_value=said.get("token_value", ""),
            fingerprint=said.get("fingerprint"),
            verify_tls=said.get("verify_tls"),
            flags={name: value for name, value in said.items() if name in EVERY_FLAG},
        )

"""The engines to which samples are written; changed by the same verbs as through the API. No secret is shown."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect

from monitoring.exporting.remote import standing, targets
from monitoring.exporting.remote.drafts import Draft, checked
from monitoring.exporting.remote.targets import UnknownTarget
from monitoring.models import RemoteWriteTarget
from nodes.drafts import NotValid
from pulse.lib.crypto import SealBroken
from pulse.lib.instants import ago

if TYPE_CHECKING:
    TargetModelForm = forms.ModelForm[RemoteWriteTarget]
    TargetModelAdmin = admin.ModelAdmin[RemoteWriteTarget]
else:  # the classes take a parameter for type checkers only
    TargetModelForm, TargetModelAdmin = forms.ModelForm, admin.ModelAdmin

#: Engines that one click tries at most.
TEST_LIMIT = targets.MOST_TARGETS
UNCHANGED = "Leave empty to keep the stored one; another address or certificate needs it again."
DECIDED = (
    "name", "url", "is_enabled", "login", "user", "tenant", "extra_labels", "step_seconds", "verify_tls", "fingerprint",
)  # fmt: skip
OBSERVED = (
    "stands",
    "waits",
    "last_success_at",
    "failing_since",
    "failure_message",
    "next_try_at",
    "sent_count",
    "dropped_count",
    "dropped_at",
    "drop_reason",
    "created_at",
)


def secret_field(**options: Any) -> forms.CharField:
    """Return a field into which a secret goes, and out of which none comes."""
    widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"})
    return forms.CharField(required=False, strip=False, widget=widget, help_text=UNCHANGED, **options)


class TargetForm(TargetModelForm):
    """What a person may decide about a target. Its errors are those of the API, because it asks the same rules."""

    password = secret_field()
    token = secret_field(label="Bearer token")
    fingerprint = forms.CharField(
        required=False,
        max_length=110,  # 95 characters with colons; the model holds it without
        help_text="SHA-256 of the certificate; pins exactly this one in place of the authorities.",
    )

    class Meta:
        model = RemoteWriteTarget
        fields = DECIDED

    #: What was asked for: everything of a new target, and of an old one what the person changed.
    draft: Draft

    def clean(self) -> dict[str, Any]:
        """Check the values by the rules of the verbs."""
        super().clean()
        cleaned: dict[str, Any] = self.cleaned_data
        if self.errors:
            return cleaned
        if cleaned.get("extra_labels") is None:
            cleaned["extra_labels"] = {}
        try:
            self.draft = self.drafted()
            if self.instance._state.adding:
                targets.proposed(self.draft)
            else:
                targets.apply(checked(self.draft), copy(self.instance))
        except NotValid as problem:
            self.add_error(problem.field if problem.field in self.fields else None, problem.message)
        return cleaned

    def drafted(self) -> Draft:
        """Return what was asked for, as it was typed; raises NotValid."""
        is_new, values = self.instance._state.adding, self.cleaned_data
        given = {name: values[name] for name in values if is_new or name in self.changed_data}
        labels = given.get("extra_labels", {})
        if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
            raise NotValid("extra_labels", 'extra labels look like {"site": "home"}')
        return Draft(**given)

    def _post_clean(self) -> None:
        """Leave the row alone: the verbs write it."""


@admin.register(RemoteWriteTarget)
class RemoteWriteTargetAdmin(TargetModelAdmin):
    """How each engine takes samples."""

    form = TargetForm
    list_display = (
        "name",
        "url",
        "is_enabled",
        "stands",
        "waits",
        "last_success",
        "sent_count",
        "dropped_count",
        "drop_reason",
    )
    list_filter = ("is_enabled",)
    search_fields = ("name", "url", "failure_message", "drop_reason")
    readonly_fields = OBSERVED
    actions = ("try_now", "switch_on", "switch_off")

    @admin.display(description="stands")
    def stands(self, target: RemoteWriteTarget) -> str:
        """Return how it stands, and why it fails."""
        if not target.is_enabled:
            return "Off"
        if target.failing_since is not None:
            return f"Fails: {target.failure_message}"
        return "Waiting for the first samples" if target.last_success_at is None else "OK"

    @admin.display(description="oldest that waits", empty_value="-")
    def waits(self, target: RemoteWriteTarget) -> str | None:
        """Return how old the oldest sample is that waits."""
        seconds = standing.lag_seconds(target, at=timezone.now())
        return None if seconds is None else f"{seconds} s"

    @admin.display(description="last success", ordering="last_success_at", empty_value="never")
    def last_success(self, target: RemoteWriteTarget) -> str | None:
        """Return how long ago samples were taken."""
        return ago(target.last_success_at, timezone.now())

    def get_fieldsets(self, request: HttpRequest, obj: RemoteWriteTarget | None = None) -> Any:
        """Return the groups of the form: of a new target without the observed fields."""
        groups: list[tuple[str | None, dict[str, Any]]] = [
            (None, {"fields": ("name", "url", "is_enabled")}),
            ("Login", {"fields": ("login", "user", "password", "token", "tenant")}),
            ("Samples", {"fields": ("extra_labels", "step_seconds")}),
            ("Certificate", {"fields": ("verify_tls", "fingerprint")}),
        ]
        return groups if obj is None else [*groups, ("Observed", {"fields": OBSERVED})]

    @method_decorator(csrf_protect)
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Serve the form; a refusal by the verb, which the form could not foresee, leads back with its sentence."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (NotValid, SealBroken) as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        except UnknownTarget:
            self.message_user(request, "The target was removed meanwhile.", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:monitoring_remotewritetarget_changelist"))

    def save_model(self, request: HttpRequest, obj: RemoteWriteTarget, form: Any, change: bool) -> None:
        """Add or change the target by the verb, and make `obj` what is stored now."""
        stored = targets.change(obj.pk, form.draft) if change else targets.add(form.draft, at=timezone.now())
        obj.pk = stored.pk
        obj._state.adding = False
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: RemoteWriteTarget) -> None:
        """Remove the target by the verb."""
        self.delete_queryset(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[RemoteWriteTarget]) -> None:
        """Remove the targets by the verb; one that is gone already is no failure."""
        for target in queryset:
            try:
                targets.remove(target.pk)
            except UnknownTarget:
                continue

    def get_deleted_objects(
        self, objs: Iterable[RemoteWriteTarget], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return the targets alone: where the sending goes on, instance by instance, is no list to read."""
        chosen = list(objs)
        return [f"{one} ({one.url})" for one in chosen], {"targets": len(chosen)}, set(), []

    @admin.action(description="Try now", permissions=["change"])
    def try_now(self, request: HttpRequest, queryset: QuerySet[RemoteWriteTarget]) -> None:
        """Send each a message without samples, and say what came of it."""
        for target in queryset[:TEST_LIMIT]:
            problem = standing.try_now(target, at=timezone.now())
            self.message_user(
                request,
                f"Try of {target}: {problem or 'it takes samples'}",
                messages.ERROR if problem else messages.SUCCESS,
            )

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[RemoteWriteTarget]) -> None:
        """Write samples from now on."""
        self.switch(request, queryset, is_enabled=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[RemoteWriteTarget]) -> None:
        """Write no samples until it is switched on again."""
        self.switch(request, queryset, is_enabled=False)

    def switch(
        self, request: HttpRequest, queryset: QuerySet[RemoteWriteTarget], *, is_enabled: bool
    ) -> None:
        """Switch the targets by the verb, and put it into their history."""
        for target in queryset:
            try:
                changed = targets.change(target.pk, Draft(is_enabled=is_enabled))
            except UnknownTarget:
                continue
            self.log_change(request, changed, "Switched on." if is_enabled else "Switched off.")

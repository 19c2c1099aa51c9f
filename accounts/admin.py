"""API tokens in the admin: made (their text is shown once), seen and revoked; nothing else can be done to them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts import tokens
from accounts.forms import TokenForm
from accounts.models import ApiToken

if TYPE_CHECKING:
    TokenModelAdmin = admin.ModelAdmin[ApiToken]
else:  # at run time the class takes no parameter
    TokenModelAdmin = admin.ModelAdmin


@admin.register(ApiToken)
class ApiTokenAdmin(TokenModelAdmin):
    """Who holds a token, what it may do and when it was last used; never its text or digest."""

    list_display = (
        "name",
        "token_id",
        "scope_names",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "token_id")
    fields = ("name", "token_id", "scope_names", "created_at", "last_used_at", "expires_at", "revoked_at")
    readonly_fields = fields
    actions = ("revoke",)
    show_full_result_count = False

    @admin.display(description="scopes")
    def scope_names(self, token: ApiToken) -> str:
        """Return the scopes as text."""
        return ", ".join(token.scopes)

    @admin.action(description="Revoke selected tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Make the tokens worthless at once."""
        at = timezone.now()
        count = sum(tokens.revoke(token, at=at) for token in queryset)
        self.message_user(request, f"Revoked: {count}", messages.SUCCESS)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form; make the token and show its text in this one answer, which is stored nowhere."""
        form = TokenForm(request.POST if request.method == "POST" else None)
        text = ""
        if request.method == "POST" and form.is_valid():
            text = self.make(request, form)
        context = {
            **self.admin_site.each_context(request),
            "title": "Make an API token",
            "opts": self.opts,
            "form": form,
            "text": text,
        }
        response = render(request, "auth/admin_token.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response

    def make(self, request: HttpRequest, form: TokenForm) -> str:
        """Make the token of a valid form and return its text."""
        given = form.cleaned_data
        at = timezone.now()
        days = given["expires_in_days"]
        token, text = tokens.issue(
            name=given["name"],
            scopes=given["scopes"],
            at=at,
            expires_at=at + timedelta(days=days) if days else None,
        )
        self.log_addition(request, token, [{"added": {}}])
        return text

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Tokens are revoked and stay: without any the installation would look fresh."""
        return False

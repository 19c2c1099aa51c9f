"""API tokens in the admin: seen and revoked there; made where their text can be shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken

if TYPE_CHECKING:
    TokenModelAdmin = admin.ModelAdmin[ApiToken]
else:  # the class takes a parameter for type checkers only
    TokenModelAdmin = admin.ModelAdmin


@admin.register(ApiToken)
class ApiTokenAdmin(TokenModelAdmin):
    """Who holds a token, with which scopes, and when it was last used; never its digest."""

    list_display = (
        "name",
        "public_id",
        "scope_list",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("revoked_at",)
    search_fields = ("name", "public_id")
    fields = ("name", "public_id", "scope_list", "created_at", "last_used_at", "expires_at", "revoked_at")
    readonly_fields = fields
    actions = ("revoke",)

    @admin.display(description="scopes")
    def scope_list(self, token: ApiToken) -> str:
        """Return the scopes as text."""
        return ", ".join(token.scopes)

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Make the tokens worthless at once."""
        count = sum(tokens.revoke(token, at=timezone.now()) for token in queryset)
        self.message_user(request, f"{count} revoked.", messages.SUCCESS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A token's text is shown once, by `pulse create-token` or the API."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revoked token stays, so that its uses can be traced."""
        return False

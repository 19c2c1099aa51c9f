"""The rule about the addresses of hosts in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from nodes import editing
from nodes.models import AddressRule

if TYPE_CHECKING:
    RuleModelAdmin = admin.ModelAdmin[AddressRule]
else:  # the class takes a parameter for type checkers only
    RuleModelAdmin = admin.ModelAdmin


class AddressRuleAdmin(RuleModelAdmin):
    """What is decided about the addresses of hosts: one row, made when somebody decides first."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """One is enough."""
        return super().has_add_permission(request) and not AddressRule.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is changed instead."""
        return False

    def save_model(self, request: HttpRequest, obj: AddressRule, form: Any, change: bool) -> None:
        """Decide by the verb."""
        editing.allow_loopback(is_allowed=obj.allows_loopback)

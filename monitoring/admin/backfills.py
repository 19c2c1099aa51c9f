"""What monitoring keeps, in the admin: for an operator in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from monitoring.history import backfill as orders
from monitoring.models import Backfill

if TYPE_CHECKING:
    BackfillModelAdmin = admin.ModelAdmin[Backfill]
else:  # at run time the class takes no parameter
    BackfillModelAdmin = admin.ModelAdmin


@admin.register(Backfill)
class BackfillAdmin(BackfillModelAdmin):
    """How far Proxmox's own records were read; one that goes on can be cancelled."""

    list_display = ("instance", "reason", "state", "progress", "message", "created_at", "ended_at")
    list_filter = ("state", "reason")
    list_select_related = ("instance",)
    search_fields = ("instance__name",)
    fields = (
        "instance",
        "reason",
        "state",
        "progress",
        "failed_count",
        "message",
        "start_epoch",
        "end_epoch",
        "cursor",
        "trial_count",
        "tried_at",
        "created_at",
        "ended_at",
    )
    readonly_fields = fields
    actions = ("cancel",)
    show_full_result_count = False

    @admin.display(description="objects")
    def progress(self, backfill: Backfill) -> str:
        """Return how many objects of how many are done with, and of how many nothing could be read."""
        done = backfill.done_count + backfill.failed_count
        failed = f", {backfill.failed_count} failed" if backfill.failed_count else ""
        return f"{done} of {backfill.total_count or '?'}{failed}"

    @admin.action(description="Cancel selected readings", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Backfill]) -> None:
        """Read no further; what has ended stays as it is."""
        at = timezone.now()
        count = sum(orders.cancel(backfill, at=at) for backfill in queryset)
        self.message_user(request, f"Cancelled: {count}", messages.SUCCESS)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whoever may change them."""
        return bool(request.user.has_perm("monitoring.change_backfill"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The API adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The reading changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """That an instance was read is remembered, so that it is not read again and again."""
        return False

"""The history in the admin: what is kept, what happened, when nothing was seen. Polling alone writes it; no sample is shown here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Case, CharField, Model, OuterRef, QuerySet, Subquery, Value, When
from django.http import HttpRequest

from monitoring.choices import PartKind
from monitoring.models import BlindTime, HistoryEvent, HistoryPart, HistorySpan
from nodes.admin import PAGES, ReadOnly
from nodes.identity import ObjectKind
from nodes.models import Datastore, Guest, Instance, Node, Storage
from pulse.lib.instants import from_epoch

if TYPE_CHECKING:
    HistoryModelAdmin = admin.ModelAdmin[Any]
    BoundedCount = Paginator[Any]
else:  # the classes take a parameter for type checkers only
    HistoryModelAdmin, BoundedCount = admin.ModelAdmin, Paginator

#: Rows that are counted at most, and to which pages lead: nobody turns more of them.
MOST_COUNTED = 10_000
OUTCOMES = ("ok", "warning", "failed", "running")


class FewPages(BoundedCount):
    """Pages of the first ten thousand rows: counting a whole table of millions would take longer than showing it."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, so many at most."""
        rows: Any = self.object_list
        return len(rows.order_by().values_list("pk")[:MOST_COUNTED])


class ChosenFilter(admin.SimpleListFilter):
    """A filter by words that are known: those of a column would be gathered from all of its rows."""

    words: tuple[str, ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the words, each as it is."""
        return [(word, word) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows with the chosen word."""
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class OutcomeFilter(ChosenFilter):
    """How it ended."""

    title, parameter_name = "outcome", "outcome"
    words = OUTCOMES


class ObjectFilter(ChosenFilter):
    """The kind of the object."""

    title, parameter_name = "object", "object_kind"
    words = ("instance", "node", "guest", "storage", "datastore")


class HistoryAdmin(ReadOnly, HistoryModelAdmin):
    """Rows of the history: seen here, never edited, never counted as a whole."""

    paginator = FewPages
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_select_related = ("instance",)

    @admin.display(description="from (UTC)", ordering="start_epoch")
    def start(self, row: Any) -> str:
        """Return when it began."""
        return told(row.start_epoch)

    @admin.display(description="to (UTC)")
    def end(self, row: Any) -> str:
        """Return when it ended, or nothing."""
        return told(row.end_epoch)

    def fields_of(self) -> tuple[str, ...]:
        """Return what is shown of one row: what the list has, and no blob."""
        return tuple(str(name) for name in self.list_display)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Show what is chosen."""
        return self.fields_of()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """All of it."""
        return self.fields_of()


def told(epoch: int | None) -> str:
    """Return an instant in UTC to the second."""
    return f"{from_epoch(epoch):%Y-%m-%d %H:%M:%S}" if epoch is not None else ""


def named(column: str, key: str, models: Mapping[str, type[Model]]) -> Case:
    """Return the name of the object that a row is of: the column with its kind, the one with its key, and the model of each kind."""

    def name_in(model: type[Model]) -> Subquery:
        return Subquery(model._default_manager.filter(pk=OuterRef(key)).order_by().values("name")[:1])

    names = (When(**{column: kind}, then=name_in(model)) for kind, model in models.items())
    return Case(*names, default=Value(""), output_field=CharField())


@admin.register(HistorySpan)
class HistorySpanAdmin(HistoryAdmin):
    """Which samples there are, of whom, how many, and what they take."""

    ordering = ("-instance", "-tier", "-start_epoch", "-source")
    list_display = (
        "instance",
        "tier",
        "source",
        "start",
        "end",
        "value_count",
        "stored_bytes",
        "bytes_per_value",
    )
    list_filter = ("instance", "tier", "source")

    @admin.display(description="bytes per value")
    def bytes_per_value(self, row: HistorySpan) -> str:
        """Return what one value takes on the disk."""
        return f"{row.stored_bytes / row.value_count:.2f}" if row.value_count else ""


@admin.register(HistoryEvent)
class HistoryEventAdmin(HistoryAdmin):
    """What happened, the newest first."""

    ordering = ("-start_epoch", "-pk")
    list_display = ("start", "end", "kind", "code", "outcome", "instance", "object", "text", "key")
    list_filter = ("kind", OutcomeFilter, ObjectFilter, "instance")
    search_fields = ("code", "text", "key")

    def get_queryset(self, request: HttpRequest) -> QuerySet[HistoryEvent]:
        """Name the objects in the query of the list."""
        rows: QuerySet[HistoryEvent] = (
            super()
            .get_queryset(request)
            .annotate(
                name=named(
                    "object_kind",
                    "object_id",
                    {
                        ObjectKind.GUEST: Guest,
                        ObjectKind.NODE: Node,
                        ObjectKind.STORAGE: Storage,
                        ObjectKind.DATASTORE: Datastore,
                    },
                )
            )
        )
        return rows

    @admin.display(description="object")
    def object(self, row: Any) -> str:
        """Return which object it is: its kind with its name, or its row where that has gone."""
        if row.object_kind == ObjectKind.INSTANCE:
            return "instance"
        return f"{row.object_kind} {row.name or f'#{row.object_id}'}"


@admin.register(BlindTime)
class BlindTimeAdmin(HistoryAdmin):
    """When nothing was seen, the newest first."""

    ordering = ("-start_epoch", "-pk")
    list_display = ("start", "end", "seconds", "instance", "cause", "is_filled")
    list_filter = ("cause", "is_filled", "instance")

    @admin.display(description="seconds")
    def seconds(self, row: BlindTime) -> int:
        """Return how long it was."""
        return row.end_epoch - row.start_epoch


@admin.register(HistoryPart)
class HistoryPartAdmin(HistoryAdmin):
    """Pools, file systems and mail nodes that have series."""

    ordering = ("-instance", "-kind", "-owner_id", "-name")
    list_display = ("name", "kind", "owner", "instance", "last_seen_at")
    list_filter = ("kind", "instance")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[HistoryPart]:
        """Name the owners in the query of the list."""
        rows: QuerySet[HistoryPart] = (
            super()
            .get_queryset(request)
            .annotate(
                owner_name=named(
                    "kind",
                    "owner_id",
                    {PartKind.POOL: Node, PartKind.FILESYSTEM: Guest, PartKind.MAIL_NODE: Instance},
                )
            )
        )
        return rows

    @admin.display(description="of")
    def owner(self, row: Any) -> str:
        """Return the name of the node, the guest or the gateway, or its row where that has gone."""
        return row.owner_name or f"#{row.owner_id}"


PAGES.extend(
    (
        ("samples", "admin:monitoring_historyspan_changelist"),
        ("events", "admin:monitoring_historyevent_changelist"),
        ("blind times", "admin:monitoring_blindtime_changelist"),
        ("parts", "admin:monitoring_historypart_changelist"),
    )
)

"""Which columns hold sealed texts. An app registers its own in `AppConfig.ready`; nothing here knows a model or a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import connection, models


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A text column of a model whose values are sealed; `place` names the place that a row's value is bound to."""

    model: type[models.Model]
    field: str
    place: Callable[[models.Model], str]

    def rows(self) -> Iterator[tuple[models.Model, str]]:
        """Yield each row that holds a sealed text, with that text."""
        for row in list(self.model._default_manager.exclude(**{self.field: ""}).order_by("pk")):
            yield row, getattr(row, self.field)

    def replace(self, row: models.Model, *, old: str, new: str) -> bool:
        """Store the new text unless somebody changed the old one meanwhile; False when somebody did."""
        return (
            self.model._default_manager.filter(pk=row.pk, **{self.field: old}).update(**{self.field: new})
            == 1
        )


columns: list[SealedColumn] = []


def register(*added: SealedColumn) -> None:
    """Make the columns known; registering one twice does nothing."""
    columns.extend(column for column in added if column not in columns)


def sealed_texts() -> Iterator[str]:
    """Yield every sealed text; none before the tables exist."""
    tables = set(connection.introspection.table_names())
    for column in columns:
        if column.model._meta.db_table in tables:
            for _row, text in column.rows():
                yield text


def any_sealed() -> bool:
    """Return whether any sealed text is stored."""
    return next(sealed_texts(), None) is not None

"""Which columns hold sealed texts: their keys are checked at the start, and they are sealed anew by a rotation.

An app registers its columns in `AppConfig.ready`; nothing here knows a model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import connection, models

from pulse.env import EnvError
from pulse.lib.crypto import SealBroken, add_key, key_id_of, key_path, load_keys, new_key_line, seal, unseal
from pulse.lib.keys import ensure_key_file, read_key_file

logger = logging.getLogger(__name__)


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


@dataclass(slots=True)
class Rotation:
    """What a rotation did."""

    key_id: str
    is_resumed: bool = False
    resealed: int = 0
    broken: int = 0


_columns: list[SealedColumn] = []


def register(*columns: SealedColumn) -> None:
    """Make the columns known; registering one twice does nothing."""
    _columns.extend(column for column in columns if column not in _columns)


def sealed_texts() -> Iterator[str]:
    """Yield every sealed text; none before the tables exist."""
    tables = set(connection.introspection.table_names())
    for column in _columns:
        if column.model._meta.db_table in tables:
            for _row, text in column.rows():
                yield text


def any_sealed() -> bool:
    """Return whether any sealed text is stored."""
    return next(sealed_texts(), None) is not None


def keys_in_order() -> None:
    """Make sure that the stored secrets can be opened; called before anything starts.

    Leaves with EnvError (78) when the key file is lost, open to others, or is not the one that the stored
    secrets were sealed with. A single secret with a foreign key is logged, not fatal: its instance says so.
    """
    key_ids = {readable_key_id(text) for text in sealed_texts()}
    path = key_path()
    if read_key_file(path) is None:
        if key_ids:
            raise EnvError(
                f"stored credentials exist, but the key file {path} is missing; restore it from a backup, "
                "or delete the instances and enter their credentials again"
            )
        ensure_key_file(path, new_key_line)
    try:
        known = set(load_keys().by_id)
    except SealBroken:
        raise EnvError(f"the key file {path} holds no usable key; restore it from a backup") from None
    if key_ids and not key_ids & known:
        raise EnvError(
            f"the key file {path} is not the one that sealed the stored credentials; restore it from a backup"
        )
    if key_ids - known:
        logger.error("some stored credentials were sealed with a key that is not in the key file")


def readable_key_id(text: str) -> str:
    """Return the key id of a sealed text, empty when it is damaged."""
    try:
        return key_id_of(text)
    except SealBroken:
        return ""


def rotate() -> Rotation:
    """Seal every stored secret with a new key; a rotation that was cut off is finished instead of begun anew.

    Each value is replaced by itself, guarded by what was read: it may be killed at any moment and runs beside
    a working product. Old keys stay in the file for backups of the database.
    """
    current = load_keys().current
    is_resumed = any(
        is_outdated(column, row, text, current) for column in _columns for row, text in column.rows()
    )
    if not is_resumed:
        current = add_key()
    rotation = Rotation(key_id=current, is_resumed=is_resumed)
    for column in _columns:
        for row, text in column.rows():
            reseal(column, row, text, rotation)
    return rotation


def is_outdated(column: SealedColumn, row: models.Model, text: str, current: str) -> bool:
    """Return whether a secret can be opened and was sealed with an older key."""
    if readable_key_id(text) == current:
        return False
    try:
        unseal(text, place=column.place(row))
    except SealBroken:
        return False
    return True


def reseal(column: SealedColumn, row: models.Model, text: str, rotation: Rotation) -> None:
    """Seal one value with the current key and count it; one that cannot be opened stays as it is."""
    if readable_key_id(text) == rotation.key_id:
        return
    place = column.place(row)
    try:
        fresh = seal(unseal(text, place=place), place=place)
    except SealBroken:
        rotation.broken += 1
        return
    if column.replace(row, old=text, new=fresh):
        rotation.resealed += 1

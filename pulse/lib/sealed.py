"""The keys of the stored secrets: checked at the start, and replaced by a rotation."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.conf import settings
from django.db import models

from pulse.env import EnvError
from pulse.lib.crypto import SealBroken, add_key, key_id_of, key_path, load_keys, new_key_line, seal, unseal
from pulse.lib.keys import ensure_key_file, read_key_file
from pulse.lib.sealed_columns import SealedColumn, columns, sealed_texts

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Rotation:
    """What a rotation did."""

    key_id: str
    is_resumed: bool = False
    resealed: int = 0
    broken: int = 0


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
    if settings.SECRET_KEY in (read_key_file(path) or "").split():
        raise EnvError(
            f"SECRET_KEY is the same as a key of {path}: each needs one of its own; make another SECRET_KEY"
        )
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
        is_outdated(column, row, text, current) for column in columns for row, text in column.rows()
    )
    if not is_resumed:
        current = add_key()
    rotation = Rotation(key_id=current, is_resumed=is_resumed)
    for column in columns:
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

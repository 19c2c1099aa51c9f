"""The identity under which things are kept about an object: concerns now, series, alerts and notes as well."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class ObjectKind(StrEnum):
    """What a row stands for; a PBS and a mail gateway are their instances. The last three are parts of a node, a guest, a gateway."""

    INSTANCE = "instance"
    NODE = "node"
    GUEST = "guest"
    STORAGE = "storage"
    DATASTORE = "datastore"
    POOL = "pool"
    FILESYSTEM = "filesystem"
    MAIL_NODE = "mail_node"


class ObjectKey(NamedTuple):
    """An object by its row: the same when it is renamed, when it moves to another node, and under another wire id."""

    kind: ObjectKind
    pk: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.pk}"


class MatterKey(NamedTuple):
    """One matter of an object, such as that its pool `tank` is degraded: `code` says what, `subject` of which part."""

    object: ObjectKey
    code: str
    subject: str

    def __str__(self) -> str:
        return f"{self.object}|{self.code}|{self.subject}"

"""What has series and no id of its own: a part of a resource, asked for as `<kind>:<name>`."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.api.subjects import Subject
from monitoring.choices import PartKind
from monitoring.history.metrics import Kind
from monitoring.models import HistoryPart
from nodes.models import Datastore
from pulse.lib.errors import ApiError

#: By the kind of its owner: what a part of it is called on the wire, and what it is.
PARTS: Mapping[Kind, Mapping[str, Kind]] = {
    Kind.NODE: {"pool": Kind.POOL},
    Kind.GUEST: {"filesystem": Kind.FILESYSTEM},
    Kind.INSTANCE: {"datastore": Kind.DATASTORE, "node": Kind.MAIL_NODE},
}
FORMS = "pool:<name> of a node, filesystem:<path> of a guest, datastore:<name> of a PBS, node:<name> of a mail gateway"
_ROWS = {Kind.POOL: PartKind.POOL, Kind.FILESYSTEM: PartKind.FILESYSTEM, Kind.MAIL_NODE: PartKind.MAIL_NODE}


def part_of(subject: Subject, instance_id: int, text: str) -> tuple[Kind, int]:
    """Return kind and row of a part; raises ApiError 400 for what the resource has not, 404 when nothing is kept of it."""
    word, _, name = text.partition(":")
    kind = PARTS.get(subject.kind, {}).get(word)
    if kind is None or not name:
        raise ApiError(400, f"part must be one that the resource can have: {FORMS}")
    pk = row_of(kind, subject.pk, instance_id, name) if "\0" not in name else None
    if pk is None:
        raise ApiError(404, f"nothing is kept of {text!r:.200}", code="resource_not_found")
    return kind, pk


def row_of(kind: Kind, owner_id: int | None, instance_id: int, name: str) -> int | None:
    """Return the row of a part, None when there is none."""
    if kind is Kind.DATASTORE:
        row = Datastore.objects.filter(instance=instance_id, name=name).only("pk").first()
        return row.pk if row is not None else None
    part = HistoryPart.objects.filter(
        instance=instance_id, kind=_ROWS[kind], owner_id=owner_id or 0, name=name
    ).first()
    return part.pk if part is not None else None

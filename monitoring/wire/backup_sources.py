"""Where the lists come from, as `/api/backups/sources` sends it; pure. Field names are wire names."""

from __future__ import annotations

import msgspec

from monitoring.backups.sources import Kind, Source
from pulse.lib.instants import instant


class SourceShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A place where backups or snapshots may be, and how far it was read.

    `reason` is "" when all of it was read lately, else a code, with what the host said as `message`. `name` is that of the storage,
    the datastore or the node, "" while none is known. `count` is how many entries of the lists are from there. `readAt` is the
    zero time when it was never read. `readFrom` is the backup server that tells the backups of this storage: they are counted there.
    """

    instance: str
    kind: Kind
    name: str
    count: int
    readAt: str
    reason: str
    message: str
    namespace: str = ""
    node: str = ""
    readFrom: str = ""


def source_shape(source: Source) -> SourceShape:
    """Return one place in the spelling of the wire."""
    return SourceShape(
        instance=source.instance,
        kind=source.kind,
        name=source.name,
        count=source.count,
        readAt=instant(source.read_epoch),
        reason=source.reason,
        message=source.message,
        namespace=source.namespace,
        node=source.node,
        readFrom=source.read_from,
    )

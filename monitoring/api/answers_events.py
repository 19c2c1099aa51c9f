"""What the timeline answers; the API's description is derived from it."""

from __future__ import annotations

from typing import Annotated

import msgspec


class TimelineEvent(msgspec.Struct, rename="camel"):
    """What happened to an object; instants are in milliseconds, `end` is null while it goes on, and for what has no length.

    `kind` is one of backup, migration, restore, snapshot, power, configuration, task, and `blind` for a time in which Pulse saw
    nothing of an instance: `code` is then `stopped`, `unreachable` or `paused`. `outcome` is ok, warning, failed, running, or empty.
    """

    id: Annotated[str, msgspec.Meta(description="Tells it from all others, also of the next page.")]
    kind: str
    code: str
    text: str
    outcome: str
    start: int
    end: int | None
    instance: Annotated[str, msgspec.Meta(description="The name of the instance.")]
    object_kind: Annotated[str, msgspec.Meta(description="instance, node, guest, storage or datastore.")]
    object_name: Annotated[str, msgspec.Meta(description="Empty: of what is forgotten.")]
    resource_id: Annotated[
        str, msgspec.Meta(description="As the state has it; empty: it is not there any more.")
    ]


class Timeline(msgspec.Struct):
    """One page, the newest first. `next` is the `cursor` of the page after it; null: this is the last one."""

    events: list[TimelineEvent]
    next: str | None

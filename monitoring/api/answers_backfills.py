"""What the routes answer about the reading of Proxmox's own records."""

from __future__ import annotations

from typing import Annotated

import msgspec

from monitoring.choices import BackfillReason, BackfillState
from pulse.lib.instants import WireInstant

Reason = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(BackfillReason.values)})]
State = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(BackfillState.values)})]


class BackfillShape(msgspec.Struct, rename="camel"):
    """One reading of what an instance has kept of the past.

    `reason` says why: the instance was `added`, nothing was seen for a while (`gap`), or somebody has `asked`. `start` is null where
    it goes as far back as there is anything. `done`, `total` and `failed` count objects; `total` is 0 before it begins. `message` says
    what went wrong last, also of one that goes on.
    """

    id: int
    instance_id: str
    instance_name: str
    reason: Reason
    state: State
    start: WireInstant | None
    end: WireInstant
    done: int
    total: int
    failed: int
    message: str
    created: WireInstant
    ended: WireInstant | None


class Backfills(msgspec.Struct):
    """The newest hundred, whatever their state, the newest first."""

    backfills: list[BackfillShape]

"""What Pulse has to tell about itself that is no failure: told for a day, then it is taken for known."""

from __future__ import annotations

import msgspec

from monitoring.known.kinds import Kind, Outline

TOLD_SECONDS = 86_400.0


class Notice(msgspec.Struct, frozen=True):
    """One of them: `code` names it, `text` is one sentence without its full stop."""

    code: str
    text: str
    since_epoch: float


class Notices(msgspec.Struct, frozen=True):
    """All of them."""

    notices: tuple[Notice, ...] = ()

    def lasting(self, *, at_epoch: float) -> list[Notice]:
        """Return those that are told still."""
        return [one for one in self.notices if abs(at_epoch - one.since_epoch) <= TOLD_SECONDS]


NO_NOTICES = Notices()
#: Kept once, for all of Pulse.
NOTICES = Kind("notices", Notices, Outline)

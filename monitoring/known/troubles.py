"""What runs in the background of Pulse itself and fails: no fault of a host, and never silent."""

from __future__ import annotations

import msgspec

from monitoring.known.kinds import Kind, Outline

#: A task that was not seen to fail for so long is not said to: another process may have seen it succeed.
TOLD_SECONDS = 900.0
#: More tasks than there are do not fail at once, but for one of each instance.
MOST_TROUBLES = 200


class Trouble(msgspec.Struct, frozen=True):
    """A task that fails, by what kind of exception. `subject` is the key of its instance, 0 for a task about all of them."""

    task: str
    subject: int
    error: str
    since_epoch: float
    last_epoch: float
    count: int = 1

    @property
    def name(self) -> str:
        """What it is kept under."""
        return name_of(self.task, self.subject)


class Troubles(msgspec.Struct, frozen=True):
    """The tasks that fail, by their name with their subject."""

    by_name: dict[str, Trouble] = {}

    def lasting(self, *, at_epoch: float) -> list[Trouble]:
        """Return those that fail still, as far as is known, by name."""
        fresh = (one for one in self.by_name.values() if abs(at_epoch - one.last_epoch) <= TOLD_SECONDS)
        return sorted(fresh, key=lambda one: (one.task, one.subject))


def name_of(task: str, subject: int) -> str:
    """Return what the failures of a task are kept under: each instance has its own."""
    return f"{task} {subject}"


NO_TROUBLES = Troubles()
#: Kept once, for all of Pulse.
TROUBLES = Kind("troubles", Troubles, Outline)


def with_failure(known: Troubles, task: str, subject: int, error: str, *, at_epoch: float) -> Troubles:
    """Return the troubles with one more failure of a task."""
    name = name_of(task, subject)
    before = known.by_name.get(name)
    if before is None:
        trouble = Trouble(task, subject, error, at_epoch, at_epoch)
    else:
        trouble = Trouble(task, subject, error, before.since_epoch, at_epoch, before.count + 1)
    kept = {other.name: other for other in known.lasting(at_epoch=at_epoch)[:MOST_TROUBLES]}
    return Troubles({**kept, name: trouble})


def without_failure(known: Troubles, task: str, subject: int) -> Troubles:
    """Return the troubles without those of a task that has succeeded."""
    gone = name_of(task, subject)
    return Troubles({name: trouble for name, trouble in known.by_name.items() if name != gone})

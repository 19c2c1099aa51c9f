"""The datastores of a PBS, as the call about their use and the list of them tell together; pure.

The list knows of maintenance, and of datastores that the other call leaves out; it is read less often.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from monitoring.figures.servers import CLOSED, is_cached
from monitoring.known.facts import Facts
from monitoring.known.freshness import is_current
from monitoring.known.lanes import Lane
from nodes.proxmox.readings.live import DatastoreReading, DatastoreStateReading

States = Mapping[str, DatastoreStateReading]


def states_now(facts: Facts, *, at_epoch: float) -> States:
    """Return the list by name, nothing when it is too old."""
    is_told = is_current(Lane.DATASTORES, facts.datastore_states_epoch, at_epoch=at_epoch)
    return facts.datastore_states if is_told else {}


def known_datastores(readings: Iterable[DatastoreReading], states: States) -> tuple[DatastoreReading, ...]:
    """Return all datastores; the list's word about maintenance counts more than what an error lets guess.

    Those that only the list has come last, without figures.
    """
    told = tuple(readings)
    listed = (*told, *(DatastoreReading(name) for name in left_out(told, states)))
    return tuple(completed(reading, states.get(reading.name)) for reading in listed)


def completed(reading: DatastoreReading, state: DatastoreStateReading | None) -> DatastoreReading:
    """Return a datastore with what the list tells of it; whether it is mounted, its use tells oftener."""
    if state is not None:
        reading = replace(
            reading,
            maintenance=state.maintenance,
            mount_status=reading.mount_status or state.mount_status,
            backend=reading.backend or state.backend,
        )
    # The sizes of an object store are those of its cache, which fills up on purpose: no day is foretold for it.
    return (
        replace(reading, is_growing=None, estimated_full_epoch=None)
        if is_cached(reading.backend)
        else reading
    )


def left_out(readings: Iterable[DatastoreReading], states: States) -> tuple[str, ...]:
    """Return the datastores that only the list has, by name."""
    return tuple(sorted(states.keys() - {reading.name for reading in readings}))


def is_outdated(readings: Iterable[DatastoreReading], facts: Facts) -> bool:
    """Return whether the use of the datastores, which is read oftener, tells that the list has changed since."""
    told, states = tuple(readings), facts.datastore_states
    if left_out(told, states) != facts.datastores_left_out:
        return True
    return any(contradicts(reading, states.get(reading.name)) for reading in told)


def contradicts(reading: DatastoreReading, state: DatastoreStateReading | None) -> bool:
    """Return whether a datastore is new, or not in the maintenance that the list tells."""
    if state is None:
        return True
    if reading.maintenance:
        return reading.maintenance != state.maintenance
    is_read = reading.total_bytes is not None and not reading.error
    return is_read and state.maintenance in CLOSED

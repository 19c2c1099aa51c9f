"""How what is true of an instance becomes its fragment: spelled, encoded, compared with what was published last."""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

import msgspec

from monitoring.concerns.shapes import About, Concern
from monitoring.figures.instances import Figures
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.polling.identities import keys_of
from monitoring.store.current import store
from monitoring.wire import fragments
from monitoring.wire.fragments import Fragment, FragmentKey
from monitoring.wire.ids import Label
from monitoring.wire.instances import shapes_of
from monitoring.wire.shapes import Shapes
from nodes.models import Instance


class Picture(NamedTuple):
    """What is true of an instance, and what is wrong with it."""

    figures: Figures
    concerns: tuple[Concern, ...] = ()

    @property
    def objects(self) -> frozenset[About]:
        """The objects that something is wrong with."""
        return frozenset(concern.about for concern in self.concerns)


class Spent(NamedTuple):
    """What the poll, and the slow lanes before it, have used beside what the memory has counted."""

    seconds: float = 0.0
    calls: int = 0
    failed_calls: int = 0


NOTHING_SPENT = Spent()


class Published(NamedTuple):
    """What this process has published last of an instance, under this version."""

    version: int
    shapes: Shapes


#: By instance; only while somebody listens, who is sent what has changed.
_published: dict[int, Published] = {}


def publish(
    instance: Instance, memory: PollMemory, picture: Picture, *, at_epoch: float, spent: Spent = NOTHING_SPENT
) -> None:
    """Replace the instance's fragment, unless the instance was edited, paused or removed meanwhile."""
    polled = Instance.objects.polled().filter(pk=instance.pk)
    if not polled.filter(version=instance.version).exists():
        return
    label = Label(instance.name, instance.host, memory.storage_ids, memory.node_ids)
    keys = keys_of(instance, memory, picture.objects)
    figures = picture.figures.in_order()
    shapes = shapes_of(figures, picture.concerns, label, keys)
    # A tenth of a poll: not spent while nobody listens.
    is_heard = store().has_listeners
    before = published(instance.pk, memory.fragment_version) if is_heard else None
    based_on = memory.fragment_version if before is not None else 0
    version = fragments.next_version(memory.fragment_version, at_epoch)
    is_known = memory.fragment_version and ids_of(memory.figures) == ids_of(figures)
    memory.figures, memory.fragment_version = figures, version
    if not is_known:
        # Whoever asks for what is new in the fragment finds its figures; the poll itself saves them when it is over.
        store().save(MEMORY, memory, of=instance.pk)
    store().publish(
        Fragment(
            key=FragmentKey(instance.pk, "resources"),
            version=version,
            name=instance.name,
            health_key=instance.health_key,
            is_healthy=memory.failures == 0,
            items=fragments.items_of(shapes, number=instance.number),
            changes=fragments.changes_between(before, shapes) if before is not None else b"{}",
            based_on=based_on,
            polled_epoch=at_epoch,
            poll_seconds=spent.seconds,
            calls=memory.calls + spent.calls,
            failed_calls=memory.failed_calls + spent.failed_calls,
            cycles=memory.cycles,
        )
    )
    if is_heard:
        _published[instance.pk] = Published(version, shapes)
    else:
        _published.pop(instance.pk, None)
    # Removed or paused between the question and the answer: whoever did it has taken out the fragment before this one.
    if not polled.exists():
        drop(instance.pk)


_guest_id = attrgetter("vmid", "node")


def ids_of(figures: Figures) -> tuple[object, ...]:
    """Return what resources are known by within their instance, of figures that are in order."""
    wholes = {"server": figures.server, "gateway": figures.gateway, "refused": figures.refused}
    return (
        list(map(_guest_id, figures.guests)),
        [node.name for node in figures.nodes],
        [storage.key for storage in figures.storages],
        [kind for kind, whole in wholes.items() if whole is not None],
    )


def drop(instance_id: int) -> None:
    """Take an instance out of the state."""
    _published.pop(instance_id, None)
    store().remove(instance_id)


def published(instance_id: int, version: int) -> Shapes | None:
    """Return what was published under this version, None when it is not known any more.

    Where it was another process, or nobody listened then, it is read back from the fragment.
    """
    known = _published.get(instance_id)
    if known is not None and known.version == version:
        return known.shapes
    fragment = store().fragments().get(FragmentKey(instance_id, "resources")) if version else None
    if fragment is None or fragment.version != version:
        return None
    try:
        return fragments.shapes_in(fragment)
    except msgspec.MsgspecError:  # of another release
        return None

"""All series of the state as one text, made once for all who ask while nothing has changed."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from monitoring.backups.judgement import JUDGEMENT, NOTHING_JUDGED, Judgement
from monitoring.exporting.catalogue import Book
from monitoring.exporting.exposition import open_metrics_of, text_of
from monitoring.exporting.guest_series import add_guest_facts, add_guests
from monitoring.exporting.history_series import add_history
from monitoring.exporting.instance_series import (
    add_cluster,
    add_collectors,
    add_instance,
    add_replications,
)
from monitoring.exporting.node_series import add_node_facts, add_nodes
from monitoring.exporting.server_series import add_backup_jobs, add_gateway, add_server
from monitoring.exporting.storage_series import add_storages
from monitoring.figures.rates import MOST_INTERVALS
from monitoring.figures.staleness import SILENCE_SECONDS, is_recent
from monitoring.known.facts import FACTS, Facts
from monitoring.known.freshness import JUDGED_SECONDS, current
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.known.presence import membership
from monitoring.store.current import store
from monitoring.wire.fragments import Fragment, FragmentKey
from nodes.models import Instance
from pulse.lib.gzipping import compress

#: What Pulse tells of itself may be as old as this.
LONGEST_SECONDS = 5.0

#: Writes down what else is to be told.
Writer = Callable[[Book], None]


class Answer(NamedTuple):
    """A text that was made, compressed: of what, in which format, and when by the monotonic clock."""

    made_from: dict[FragmentKey, int]
    is_open_metrics: bool
    made_monotonic: float
    gzipped: bytes

    @property
    def plain(self) -> bytes:
        """The text itself: a Prometheus never asks for it, so it is not kept."""
        return gzip.decompress(self.gzipped)


class Answers:
    """The newest text in each format; for any number of threads, one of which makes it for all."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._last: dict[bool, Answer] = {}

    def current(self, *, is_open_metrics: bool, at_epoch: float, interval: float, own: Writer) -> Answer:
        """Return all series as they are now; `own` writes those of the process."""
        with self._making:
            fragments = store().fragments()
            versions = {key: fragment.version for key, fragment in fragments.items()}
            last = self._last.get(is_open_metrics)
            if (
                last is None
                or last.made_from != versions
                or time.monotonic() - last.made_monotonic > LONGEST_SECONDS
            ):
                book = Book()
                own(book)
                add_state(book, at_epoch=at_epoch, interval=interval)
                write = open_metrics_of if is_open_metrics else text_of
                last = Answer(versions, is_open_metrics, time.monotonic(), compress(write(book.families())))
                self._last[is_open_metrics] = last
            return last

    def forget(self) -> None:
        """Make everything anew next time."""
        with self._making:
            self._last.clear()


#: Those of this process.
ANSWERS = Answers()


def add_state(book: Book, *, at_epoch: float, interval: float) -> None:
    """Write down all instances with everything that is known of them; `interval` is that of the polls, in seconds."""
    add_history(book)
    fragments = store().fragments()
    judgement = store().load(JUDGEMENT) or NOTHING_JUDGED
    for instance in Instance.objects.all():
        fragment = fragments.get(FragmentKey(instance.pk, "resources"))
        add_all_of(book, instance, fragment, judgement, at_epoch=at_epoch, interval=interval)


def add_all_of(
    book: Book,
    instance: Instance,
    fragment: Fragment | None,
    judgement: Judgement,
    *,
    at_epoch: float,
    interval: float,
) -> None:
    """Write down one instance; one that is paused, or was not polled yet, has only its name."""
    memory = store().load(MEMORY, of=instance.pk) or PollMemory()
    is_now = is_polled(memory, at_epoch=at_epoch, interval=interval)
    add_instance(book, instance, fragment, memory, is_now=is_now)
    if fragment is None:
        return
    name, figures = instance.wire_id, memory.figures
    facts = store().load(FACTS, of=instance.pk) or Facts()
    add_collectors(book, name, memory, facts, at_epoch=at_epoch)
    facts = current(facts, at_epoch=at_epoch)
    add_nodes(book, name, figures.nodes, is_now=is_now)
    for node, known in facts.nodes.items():
        add_node_facts(book, name, node, known)
    add_node_facts(book, name, "", facts.host)
    add_guests(book, name, figures.guests, memory.samples, is_now=is_now)
    if is_now:
        add_guest_facts(book, name, memory, facts, at_epoch=at_epoch)
    add_storages(book, name, figures.storages, is_now=is_now)
    if is_recent(judgement.judged_epoch, at_epoch=at_epoch, seconds=JUDGED_SECONDS):
        add_backup_jobs(book, name, judgement.host_jobs.get(instance.pk, ()))
    if is_now:
        add_cluster(book, name, membership(memory, at_epoch))
    add_replications(book, name, memory, facts, at_epoch=at_epoch)
    if figures.server is not None:
        add_server(book, name, figures.server, is_now=is_now)
    if figures.gateway is not None:
        add_gateway(book, name, figures.gateway, is_now=is_now)


def is_polled(memory: PollMemory, *, at_epoch: float, interval: float) -> bool:
    """Return whether the figures of an instance are those of the present, or marked: somebody polls it.

    One that does not answer is polled seldom, and all that is known of it is marked already.
    """
    if memory.failures:
        return True
    lasting = max(SILENCE_SECONDS, MOST_INTERVALS * interval)
    return is_recent(memory.polled_epoch, at_epoch=at_epoch, seconds=lasting)

"""Celery's Redis transport that outlives what somebody else has laid into its keys.

kombu lets the worker die of a message that is no JSON, or of a key of another type, each time that it is started anew.
Whoever can write there may take tasks away; ending the workers is another matter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kombu.transport import redis
from redis import ResponseError

from pulse.lib.logs import Told

logger = logging.getLogger(__name__)

_told = Told()


def ignored(what: str, error: Exception) -> None:
    """Say once that something in the broker is none of ours."""
    if _told.is_news(what, type(error).__name__):
        logger.warning("%s in Redis cannot be used and is dropped (%s)", what, type(error).__name__)


class Qos(redis.QoS):
    """What was handed out and not done yet: kept in two keys, which are begun anew when they are no longer what they were."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """See kombu."""
        kombus: Any = super()
        self._mended(lambda: kombus.append(message, delivery_tag))

    def ack(self, delivery_tag: str) -> None:
        """See kombu."""
        kombus: Any = super()
        self._mended(lambda: kombus.ack(delivery_tag))

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """See kombu."""
        kombus: Any = super()
        self._mended(lambda: kombus.reject(delivery_tag, requeue))

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """See kombu. What cannot be given out again is forgotten: the schedule comes again anyway."""
        kombus: Any = super()
        self._mended(lambda: kombus.restore_visible(*args, **kwargs))

    def _mended(self, call: Callable[[], None]) -> None:
        try:
            call()
        except (ResponseError, ValueError, TypeError, KeyError) as error:
            ignored("what the tasks under way are kept in", error)
            with self.channel.conn_or_acquire() as client:
                client.delete(self.unacked_key, self.unacked_index_key, self.unacked_mutex_key)


class Channel(redis.Channel):
    """Takes messages out of the queue; passes by those that are none."""

    QoS = Qos

    def _brpop_read(self, **options: Any) -> Any:
        kombus: Any = super()
        try:
            return kombus._brpop_read(**options)
        except ResponseError as error:
            ignored("the queue of the tasks", error)
            with self.conn_or_acquire() as client:
                places = [
                    kombus._q_for_pri(queue, step)
                    for queue in self.active_queues
                    for step in self.priority_steps
                ]
                for place in places:
                    if client.type(place) not in (b"list", b"none"):
                        client.delete(place)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            ignored("a message in the queue of the tasks", error)
        return True


class Transport(redis.Transport):
    """Named by pulse/celery.py for `redis://` and `rediss://`."""

    Channel = Channel

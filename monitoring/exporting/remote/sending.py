"""One turn of one target: the minutes that are over and were not sent, the oldest of all instances first.

Nothing is sent twice on purpose, because Prometheus refuses a whole message with a sample that it has: a turn that ends in the middle
of a minute remembers how many of its messages were accepted. Whoever is killed sends a minute again.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from itertools import chain

from django.conf import settings

from monitoring.exporting.remote import outcomes, waiting
from monitoring.exporting.remote.blocks import MINUTE, means_of
from monitoring.exporting.remote.names import Names, names_of
from monitoring.exporting.remote.outcomes import Outcome, Verdict
from monitoring.exporting.remote.posting import Line, line_to
from monitoring.exporting.remote.series import Known, info_series, requests, time_series
from monitoring.exporting.remote.standing import Turn, record
from monitoring.exporting.remote.waiting import Window
from monitoring.models import RemoteWriteCursor, RemoteWriteTarget
from nodes.models import Instance
from pulse.lib.crypto import SealBroken

#: A minute that nobody has begun the next one of is over when it has ended this long ago: the instance is not polled, or is silent.
SETTLED_SECONDS = 120
#: What waits for longer is dropped: engines refuse what is older than an hour or two.
KEPT_SECONDS = 7200
#: How long one turn sends at most; the next one goes on.
TURN_SECONDS = 20.0
#: What each instance had at the end of what this process has sent, by target and instance: with the minute that comes next.
_known: dict[tuple[int, int], tuple[int, Known]] = {}


def minute_of(epoch: float) -> int:
    """Return the start of the minute that an instant is in."""
    return int(epoch) // MINUTE * MINUTE


def send(pk: int, *, at: datetime) -> Turn | None:
    """Send what is to be sent to a target; None when it is gone, switched off, or waits. The caller holds its lease."""
    target = RemoteWriteTarget.objects.filter(pk=pk, is_enabled=True).first()
    instances = {one.pk: one for one in Instance.objects.all()}
    forget(pk, instances if target is not None else {})
    if target is None or not is_due(target, at=at):
        return None
    turn = Turn(target, at, time.monotonic() + TURN_SECONDS)
    cursors = cursors_of(target, instances, at=at)
    before = {one.pk: (one.next_epoch, one.accepted_count) for one in cursors}
    set_back(cursors, now_epoch=turn.epoch)
    try:
        line = line_to(target)
    except SealBroken as error:
        turn.failure = Outcome(Verdict.LATER, str(error))
    else:
        try:
            send_windows(turn, line, cursors, instances)
        finally:
            line.close()
            save_cursors(cursors, before)
    record(turn)
    return turn


def is_due(target: RemoteWriteTarget, *, at: datetime) -> bool:
    """Return whether a target is to be asked now; nobody waits for longer than anything asks for."""
    longest = timedelta(seconds=outcomes.LONGEST_ASKED_SECONDS)
    return target.next_try_at is None or not at < target.next_try_at <= at + longest


def cursors_of(
    target: RemoteWriteTarget, instances: Mapping[int, Instance], *, at: datetime
) -> list[RemoteWriteCursor]:
    """Return where the samples of each instance go on; of a new one they begin now."""
    now = minute_of(at.timestamp())
    cursors = {one.instance_id: one for one in RemoteWriteCursor.objects.filter(target=target)}
    missing = [
        RemoteWriteCursor(target=target, instance_id=pk, next_epoch=now)
        for pk in instances
        if pk not in cursors
    ]
    if missing:
        RemoteWriteCursor.objects.bulk_create(missing, ignore_conflicts=True)
        return cursors_of(target, instances, at=at)
    return list(cursors.values())


def set_back(cursors: list[RemoteWriteCursor], *, now_epoch: int) -> None:
    """Let what would go on in the future go on now: the clock was set back."""
    for cursor in cursors:
        if cursor.next_epoch > now_epoch + MINUTE:
            cursor.next_epoch, cursor.accepted_count = minute_of(now_epoch), 0


def send_windows(
    turn: Turn, line: Line, cursors: list[RemoteWriteCursor], instances: Mapping[int, Instance]
) -> None:
    """Send minute after minute, the oldest first, until all are sent or the turn is over."""
    newest = waiting.newest_epochs(turn.epoch)
    left = [(one.next_epoch, one.instance_id, one) for one in cursors if one.instance_id in instances]
    heapq.heapify(left)
    while left and not turn.is_over:
        start, instance_id, cursor = heapq.heappop(left)
        if is_complete(start, newest.get(instance_id, 0), now_epoch=turn.epoch) and send_window(
            turn, line, cursor, instances[instance_id]
        ):
            heapq.heappush(left, (cursor.next_epoch, instance_id, cursor))


def is_complete(start_epoch: int, newest_epoch: int, *, now_epoch: int) -> bool:
    """Return whether all that was sampled in a minute is in the database.

    It is when a later minute is there, and when the first poll after it has written it. Of an instance that nobody polls, or that
    is silent, nothing comes any more after a while.
    """
    interval = float(settings.POLLING_INTERVAL_SECONDS)
    over_seconds = now_epoch - start_epoch - MINUTE
    if over_seconds < 0 or newest_epoch >= start_epoch + MINUTE:
        return over_seconds >= 0
    if newest_epoch >= start_epoch:
        return over_seconds >= 1.5 * interval
    return over_seconds >= SETTLED_SECONDS + 2 * interval


def send_window(turn: Turn, line: Line, cursor: RemoteWriteCursor, instance: Instance) -> bool:
    """Send what is at the cursor and move that on; False when it could not be sent."""
    start = cursor.next_epoch
    window = waiting.window_of(instance.pk, start)
    if start < turn.epoch - KEPT_SECONDS:
        end = min(window.end_epoch, minute_of(turn.epoch - KEPT_SECONDS + MINUTE - 1))
        turn.drop(waiting.count_between(window, start, end), "they have waited for two hours")
    elif not posted_all(turn, line, cursor, instance, window):
        return False
    else:
        end = window.end_epoch
    cursor.accepted_count = 0
    cursor.next_epoch = next_epoch(turn, instance, end) if window.is_empty else end
    return True


def posted_all(turn: Turn, line: Line, cursor: RemoteWriteCursor, instance: Instance, window: Window) -> bool:
    """Send the messages of a window that were not accepted yet; False when one of them is to be sent later."""
    target, start = turn.target, cursor.next_epoch
    if instance.pk not in turn.names:
        turn.names[instance.pk] = names_of(instance, target.extra_labels)
    names = turn.names[instance.pk]
    found = window.blocks
    if target.step_seconds == MINUTE:
        found = ((kind, means_of(block)) for kind, block in found)
    after = Known()
    known = known_before(target.pk, instance.pk, start, names)
    series = chain(
        time_series(found, names.labels, known, after, start_epoch=start),
        # Once in each minute, and after all that was sampled in it.
        info_series(names.infos, known, after, epochs=range(start + MINUTE - 1, window.end_epoch, MINUTE)),
    )
    for number, message in enumerate(requests(series)):
        if number < cursor.accepted_count:
            continue
        if turn.is_over or not posted(turn, line, message.body, message.sample_count):
            return False
        cursor.accepted_count += 1
    _known[target.pk, instance.pk] = (window.end_epoch, after)
    return True


def posted(turn: Turn, line: Line, body: bytes, count: int) -> bool:
    """Send one message; False when it is to be sent again later."""
    outcome = line.post(body, at=turn.at)
    if outcome.verdict is Verdict.LATER:
        turn.failure = outcome
        return False
    if outcome.verdict is Verdict.DROPPED:
        turn.drop(count, outcome.message)
        turn.refused_in_a_row += 1
    else:
        turn.sent += count
        turn.refused_in_a_row = 0
    return True


def next_epoch(turn: Turn, instance: Instance, end: int) -> int:
    """Return the minute after one without samples in which there are some, or that may still get some."""
    horizon = max(minute_of(turn.epoch - SETTLED_SECONDS), end)
    first = waiting.first_epoch(instance.pk, end, horizon)
    return horizon if first is None else minute_of(first)


def known_before(target_pk: int, instance_pk: int, start: int, names: Names) -> Known:
    """Return what was known at the end of the minute before: as this process remembers it, or read again after a restart."""
    epoch, known = _known.get((target_pk, instance_pk), (0, Known()))
    if epoch == start:
        return known
    found = waiting.blocks_between(instance_pk, start - MINUTE, start)
    after = Known()
    for _ in chain(
        time_series(found, names.labels, Known(), after, start_epoch=start),
        info_series(names.infos, Known(), after, epochs=[start - 1]),
    ):
        pass
    return after


def forget(target_pk: int, instances: Collection[int]) -> None:
    """Forget what a target was told of instances that are not there any more."""
    for key in [key for key in _known if key[0] == target_pk and key[1] not in instances]:
        del _known[key]


def save_cursors(cursors: list[RemoteWriteCursor], before: Mapping[int, tuple[int, int]]) -> None:
    """Save those that have moved on, all at once."""
    moved = [one for one in cursors if before[one.pk] != (one.next_epoch, one.accepted_count)]
    if moved:
        RemoteWriteCursor.objects.bulk_update(moved, ("next_epoch", "accepted_count"), batch_size=200)

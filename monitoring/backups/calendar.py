"""Calendar events of Proxmox: when a job is due, and which run did not happen; pure.

PVE and PBS share one engine, a subset of systemd's: `[WEEKDAY] [[YEARS-]MONTHS-DAYS] [HOURS:MINUTES[:SECONDS]]`, in the time
zone of the host. It counts in wall time, so on the days on which clocks are changed a time that does not exist is passed
over, and one that exists twice is taken once.
Source: pbs.proxmox.com/docs/calendarevents.html; proxmox-time, calendar_event.rs; pve-manager, PVE/Jobs.pm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import islice

import msgspec

#: Proxmox takes 128 characters.
TEXT_LIMIT = 256
#: Each day by either name; the place modulo 7 is the day.
WEEKDAY_NAMES = (
    "mon", "tue", "wed", "thu", "fri", "sat", "sun",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
WORDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "semi-annually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}
WEEKDAY_PART = re.compile(r"[A-Za-z]+(?:\.\.[A-Za-z]+)?(?:,[A-Za-z]+(?:\.\.[A-Za-z]+)?)*")
NUMBERS = re.compile(r"([0-9]{1,4})(?:\.\.([0-9]{1,4}))?(?:/([0-9]{1,4}))?", re.ASCII)
LAST_YEAR = 2199
#: A leap day on a given weekday comes back within this, also across a century without one.
HORIZON_YEARS = 40
#: Times of one day that are tried at most: more than the seconds of a day that a zone left out.
MOST_TRIES = 100_000
DAY = timedelta(days=1)
#: How far the offset of a zone that was derived may be wrong: daylight saving may lie between.
DERIVED_SLACK = timedelta(hours=1)
#: All offsets in use are multiples of this.
OFFSET_STEP = timedelta(minutes=15)
OFFSETS = tuple(timezone(OFFSET_STEP * step) for step in range(-12 * 4, 14 * 4 + 1))


class NotASchedule(ValueError):
    """A text that is no calendar event; the message says which part."""


class Schedule(msgspec.Struct, frozen=True):
    """A calendar event, every field as the sorted values it takes. Weekdays: Monday is 0."""

    years: tuple[int, ...] | None  # None: every year
    months: tuple[int, ...]
    days: tuple[int, ...]
    weekdays: tuple[int, ...]
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    is_utc: bool = False  # else in the time zone of the host

    def takes(self, wall: datetime) -> bool:
        """Return whether a wall time is one of its own."""
        return (
            (self.years is None or wall.year in self.years)
            and wall.month in self.months
            and wall.day in self.days
            and wall.weekday() in self.weekdays
            and wall.hour in self.hours
            and wall.minute in self.minutes
            and wall.second in self.seconds
            and wall.microsecond == 0
        )


def parse(text: str) -> Schedule:
    """Return the schedule a text such as `mon..fri 02:30` spells. Raises NotASchedule."""
    if len(text) > TEXT_LIMIT:
        raise NotASchedule("the schedule is too long")
    rest = text.strip()
    is_utc = rest.endswith("UTC")
    rest = rest.removesuffix("UTC").strip()
    rest = WORDS.get(rest, rest)
    weekdays: tuple[int, ...] = tuple(range(7))
    if found := WEEKDAY_PART.match(rest):
        weekdays = _weekdays(found[0])
        rest = rest[found.end() :]
    elif not rest:
        raise NotASchedule("the schedule is empty")
    parts = rest.split()
    spelled_date = parts.pop(0) if parts and "-" in parts[0] else "*-*-*"
    spelled_time = parts.pop(0) if parts else "00:00:00"
    if parts:
        raise NotASchedule(f"the schedule goes on after its time: {parts[0]}")
    fields = spelled_date.split("-")
    if len(fields) == 2:
        fields.insert(0, "*")
    clock = spelled_time.split(":")
    if len(clock) == 1:
        clock.insert(0, "*")  # minutes alone
    if len(clock) == 2:
        clock.append("00")
    if len(fields) != 3 or len(clock) != 3:
        raise NotASchedule(f"the schedule holds something that is neither a date nor a time: {rest.strip()}")
    return Schedule(
        years=None if fields[0] == "*" else _values(fields[0], 0, LAST_YEAR, "year"),
        months=_values(fields[1], 1, 12, "month"),
        days=_values(fields[2], 1, 31, "day"),
        weekdays=weekdays,
        hours=_values(clock[0], 0, 23, "hour"),
        minutes=_values(clock[1], 0, 59, "minute"),
        seconds=_values(clock[2], 0, 59, "second"),
        is_utc=is_utc,
    )


def _weekdays(text: str) -> tuple[int, ...]:
    """Return the days of a list such as `mon..wed,sat`; a range may go over the end of the week."""
    found: set[int] = set()
    for part in text.lower().split(","):
        names = part.split("..")
        unknown = [name for name in names if name not in WEEKDAY_NAMES]
        if unknown:
            raise NotASchedule(f"the schedule names a day that does not exist: {unknown[0]}")
        first, last = (WEEKDAY_NAMES.index(name) % 7 for name in (names[0], names[-1]))
        found.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return tuple(sorted(found))


def _values(text: str, lowest: int, highest: int, what: str) -> tuple[int, ...]:
    """Return the values of one field: `*`, `*/5`, or a list of `3`, `1..7`, `0/15` and `1..20/5`."""
    if text == "*":
        return tuple(range(lowest, highest + 1))
    if re.fullmatch(r"\*/0*[1-9][0-9]*", text, re.ASCII):
        text = f"{lowest}{text[1:]}"  # a star with a step begins at the lowest
    found: set[int] = set()
    for part in text.split(","):
        match = NUMBERS.fullmatch(part)
        if match is None or max(int(number) for number in match.groups() if number) > highest:
            raise NotASchedule(f"the schedule holds no {what} that exists: {text}")
        first, step = int(match[1]), int(match[3]) if match[3] else None
        last = int(match[2]) if match[2] else highest if step is not None else first
        if last < first:
            raise NotASchedule(f"the schedule holds a range that ends before it begins: {part}")
        if step == 0:  # no repetition, whatever the range
            last = first
        found.update(range(first, last + 1, step or 1))
    return tuple(sorted(value for value in found if value >= lowest))


def next_after(schedule: Schedule, at: datetime, zone: tzinfo) -> datetime | None:
    """Return the first run after an instant, in UTC; None when there is none within forty years."""
    zone = UTC if schedule.is_utc else zone
    start = at.astimezone(zone).replace(tzinfo=None)
    for wall in islice(_walls(schedule, start, is_forward=True), MOST_TRIES):
        instant = _instant(wall, zone)
        if instant is not None and instant > at:
            return instant
    return None


def last_before(schedule: Schedule, at: datetime, zone: tzinfo) -> datetime | None:
    """Return the newest run at or before an instant, in UTC; None when there was none within forty years."""
    zone = UTC if schedule.is_utc else zone
    local = at.astimezone(zone)
    start = local.replace(tzinfo=None)
    if local.fold:  # the hour that is lived a second time: all of it has been before
        start += (local.replace(fold=0).utcoffset() or timedelta()) - (local.utcoffset() or timedelta())
    for wall in islice(_walls(schedule, start, is_forward=False), MOST_TRIES):
        instant = _instant(wall, zone)
        if instant is not None and instant <= at:
            return instant
    return None


def _instant(wall: datetime, zone: tzinfo) -> datetime | None:
    """Return when a wall time is, the first time if it is twice; None if clocks pass over it."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == wall else None


def _second_time(instant: datetime, zone: tzinfo) -> datetime:
    """Return when the wall time of an instant is for the last time."""
    return instant.astimezone(zone).replace(fold=1).astimezone(UTC)


def _walls(schedule: Schedule, start: datetime, *, is_forward: bool) -> Iterator[datetime]:
    """Yield the wall times from a start on, or back from it, the start included."""
    way = 1 if is_forward else -1
    hours, minutes, seconds = (
        values[::way] for values in (schedule.hours, schedule.minutes, schedule.seconds)
    )
    for day in _days(schedule, start.date(), way):
        is_first = day == start.date()
        for hour in hours:
            if is_first and hour * way < start.hour * way:
                continue
            for minute in minutes:
                if is_first and (hour, minute) != (start.hour, start.minute):
                    ahead = (hour - start.hour, minute - start.minute) > (0, 0)
                    if ahead != is_forward:
                        continue
                for second in seconds:
                    wall = datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001
                    if not is_first or wall == start or (wall > start) == is_forward:
                        yield wall


def _days(schedule: Schedule, start: date, way: int) -> Iterator[date]:
    """Yield the days that a schedule takes, from a start on or back from it, the start included."""
    months, days = schedule.months[::way], schedule.days[::way]
    for year in range(start.year, start.year + way * (HORIZON_YEARS + 1), way):
        if not 1 < year <= LAST_YEAR or (schedule.years is not None and year not in schedule.years):
            continue
        for month in months:
            if year == start.year and month * way < start.month * way:
                continue
            for number in days:
                try:
                    day = date(year, month, number)
                except ValueError:  # the 30th of February
                    continue
                if day.weekday() in schedule.weekdays and (day == start or (day > start) == (way > 0)):
                    yield day


def missed_run(
    schedule: Schedule,
    *,
    at: datetime,
    zone: tzinfo | None,
    last_start_at: datetime | None,
    first_seen_at: datetime,
    tolerance: timedelta,
    last_end_at: datetime | None = None,
    is_running: bool = False,
    next_run_at: datetime | None = None,
) -> datetime | None:
    """Return when the run should have started that did not, None when all have or may still.

    `first_seen_at` is when the job was first seen with this schedule: what came before is not judged, as Proxmox itself
    counts from a change on. Of several missed runs the newest is returned. A job that still runs, or has ended within the tolerance, may begin its next run late.

    `zone` is that of the host. If it is None, it is derived from the job's `next_run_at`; where that leaves zones with
    different answers, only runs that are late by a day in any zone count.
    """
    if is_running or (last_end_at is not None and at < last_end_at + tolerance):
        return None
    since = max(first_seen_at, last_start_at or first_seen_at)
    if zone is not None or schedule.is_utc:
        return _missed(schedule, since, at - tolerance, zone or UTC)
    slack = DERIVED_SLACK
    answers = {
        _missed(schedule, since + slack, at - tolerance - slack, offset)
        for offset in offsets_of(schedule, next_run_at, at)
    }
    if len(answers) == 1:
        return answers.pop()
    return _missed(schedule, since + DAY, at - max(tolerance, DAY), UTC)


def _missed(schedule: Schedule, since: datetime, until: datetime, zone: tzinfo) -> datetime | None:
    newest = last_before(schedule, until, zone)
    # A time that exists twice may be meant the second time.
    while newest is not None and newest > since and _second_time(newest, zone) > until:
        newest = last_before(schedule, newest - timedelta(seconds=1), zone)
    return newest if newest is not None and newest > since else None


def offsets_of(schedule: Schedule, next_run_at: datetime | None, at: datetime) -> tuple[timezone, ...]:
    """Return the offsets from UTC with which the next run would be when Proxmox says that it is."""
    if next_run_at is None:
        return ()
    before = min(at, next_run_at - timedelta(seconds=1))
    return tuple(
        offset
        for offset in OFFSETS
        if schedule.takes(next_run_at.astimezone(offset).replace(tzinfo=None))
        and next_after(schedule, before, offset) == next_run_at
    )

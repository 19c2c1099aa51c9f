"""Calendar events of Proxmox: what they mean, when they are due, and which run did not happen (api-facts.md 8)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.backups.calendar import (
    NotASchedule,
    last_before,
    missed_run,
    next_after,
    offsets_of,
    parse,
)

BERLIN = ZoneInfo("Europe/Berlin")


def instant(text):
    """Return an instant in UTC; None stays None."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


#: Wednesday, 15 July 2026, 12:00 in UTC: the run before and the one after it.
IN_UTC = {
    "an hour of each day": ("21:00", "2026-07-14 21:00", "2026-07-15 21:00"),
    "a second of it": ("21:00:30", "2026-07-14 21:00:30", "2026-07-15 21:00:30"),
    "working days": ("mon..fri 02:30", "2026-07-15 02:30", "2026-07-16 02:30"),
    "the weekend": ("sat,sun 18:15", "2026-07-12 18:15", "2026-07-18 18:15"),
    "long names of days": ("Saturday..SUNDAY 18:15", "2026-07-12 18:15", "2026-07-18 18:15"),
    "over the end of the week": ("sat..mon 01:00", "2026-07-13 01:00", "2026-07-18 01:00"),
    "days without a time": ("thu", "2026-07-09 00:00", "2026-07-16 00:00"),
    "no blank after the days": ("thu01:00", "2026-07-09 01:00", "2026-07-16 01:00"),
    "every second hour": ("*/2:00", "2026-07-15 12:00", "2026-07-15 14:00"),
    "every hour from midnight on": ("0/1:00", "2026-07-15 12:00", "2026-07-15 13:00"),
    "from one o'clock every five hours": ("1/5:00", "2026-07-15 11:00", "2026-07-15 16:00"),
    "two hours": ("2,4:00", "2026-07-15 04:00", "2026-07-16 02:00"),
    "a range of hours": ("8..10:00", "2026-07-15 10:00", "2026-07-16 08:00"),
    "a range with a step": ("8..18/4:00", "2026-07-15 12:00", "2026-07-15 16:00"),
    "a step of 0 does not repeat": ("8/0:00", "2026-07-15 08:00", "2026-07-16 08:00"),
    "every quarter of an hour": ("*:0/15", "2026-07-15 12:00", "2026-07-15 12:15"),
    "minutes alone": ("*/20", "2026-07-15 12:00", "2026-07-15 12:20"),
    "a list that is not in order": ("50,10", "2026-07-15 11:50", "2026-07-15 12:10"),
    "every minute": ("*", "2026-07-15 12:00", "2026-07-15 12:01"),
    "days and minutes": ("mon */15", "2026-07-13 23:45", "2026-07-20 00:00"),
    "minutely": ("minutely", "2026-07-15 12:00", "2026-07-15 12:01"),
    "hourly": ("hourly", "2026-07-15 12:00", "2026-07-15 13:00"),
    "daily": ("daily", "2026-07-15 00:00", "2026-07-16 00:00"),
    "weekly": ("weekly", "2026-07-13 00:00", "2026-07-20 00:00"),
    "monthly": ("monthly", "2026-07-01 00:00", "2026-08-01 00:00"),
    "quarterly": ("quarterly", "2026-07-01 00:00", "2026-10-01 00:00"),
    "semiannually": ("semiannually", "2026-07-01 00:00", "2027-01-01 00:00"),
    "semi-annually": ("semi-annually", "2026-07-01 00:00", "2027-01-01 00:00"),
    "yearly": ("yearly", "2026-01-01 00:00", "2027-01-01 00:00"),
    "annually": ("annually", "2026-01-01 00:00", "2027-01-01 00:00"),
    "the first of each month": ("*-*-01 03:00", "2026-07-01 03:00", "2026-08-01 03:00"),
    "a day without its year": ("12-24 20:00", "2025-12-24 20:00", "2026-12-24 20:00"),
    "once, to come": ("2026-12-24 20:00", None, "2026-12-24 20:00"),
    "once, gone by": ("2024-12-24 20:00", "2024-12-24 20:00", None),
    "the first Monday of a month": ("mon *-*-1..7 02:00", "2026-07-06 02:00", "2026-08-03 02:00"),
    "the first Mondays of one year": ("mon 2024-*-1..7 02:00", "2024-12-02 02:00", None),
    "every third month": ("*-1/3-15", "2026-07-15 00:00", "2026-10-15 00:00"),
    "every second year": ("2025/2-01-01", "2025-01-01 00:00", "2027-01-01 00:00"),
    "a day that most months have": ("*-*-31", "2026-05-31 00:00", "2026-07-31 00:00"),
    "a leap day on a Monday": ("mon *-02-29", "2016-02-29 00:00", "2044-02-29 00:00"),
    "a day that never is": ("*-02-30", None, None),
    "a month that never is": ("*-0-01", None, None),
    "blanks around it": ("  mon   02:30 ", "2026-07-13 02:30", "2026-07-20 02:30"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "before", "after"), IN_UTC.values(), ids=IN_UTC)
def test_the_runs_around_a_wednesday_noon(text, before, after):
    noon = instant("2026-07-15 12:00")

    assert last_before(parse(text), noon, UTC) == instant(before)
    assert next_after(parse(text), noon, UTC) == instant(after)


def test_a_schedule_in_utc_ignores_the_zone_of_the_host():
    noon = instant("2026-07-15 12:00")

    assert next_after(parse("21:00"), noon, BERLIN) == instant("2026-07-15 19:00")
    assert next_after(parse("21:00 UTC"), noon, BERLIN) == instant("2026-07-15 21:00")
    assert last_before(parse("daily UTC"), noon, BERLIN) == instant("2026-07-15 00:00")


TAKEN = {
    "it": ("2026-07-15 21:00:30", True),
    "another year": ("2025-07-16 21:00:30", False),
    "another month": ("2026-04-15 21:00:30", False),
    "another day of the month": ("2026-07-22 21:00:30", False),
    "another day of the week": ("2026-07-14 21:00:30", False),
    "another hour": ("2026-07-15 20:00:30", False),
    "another minute": ("2026-07-15 21:01:30", False),
    "another second": ("2026-07-15 21:00:31", False),
    "within the second": ("2026-07-15 21:00:30.5", False),
}


@pytest.mark.parametrize(("wall", "expected"), TAKEN.values(), ids=TAKEN)
def test_which_wall_times_a_schedule_takes(wall, expected):
    assert parse("wed 2026-07-13..16 21:00:30").takes(datetime.fromisoformat(wall)) is expected


#: In Berlin clocks go from 2:00 to 3:00 on 29 March, and from 3:00 back to 2:00 on 25 October 2026, both at 1:00 UTC.
CLOCK_CHANGES = {
    "before the night in spring": ("02:30", "2026-03-27 12:00", "2026-03-28 01:30"),
    "a time that does not exist is passed over": ("02:30", "2026-03-28 12:00", "2026-03-30 00:30"),
    "the hour after the gap": ("03:00", "2026-03-28 12:00", "2026-03-29 01:00"),
    "hours go on over the gap": ("hourly", "2026-03-29 00:30", "2026-03-29 01:00"),
    "seconds go on over the gap": ("*:*:*", "2026-03-29 00:59:59", "2026-03-29 01:00"),
    "before the night in autumn": ("02:30", "2026-10-23 12:00", "2026-10-24 00:30"),
    "a time that is twice is taken the first time": ("02:30", "2026-10-24 12:00", "2026-10-25 00:30"),
    "and not again": ("02:30", "2026-10-25 00:30", "2026-10-26 01:30"),
    "not from within the second hour either": ("02:30", "2026-10-25 01:10", "2026-10-26 01:30"),
    "quarters wait for the second hour to pass": ("*:0/15", "2026-10-25 00:45", "2026-10-25 02:00"),
    "the hour after it": ("03:00", "2026-10-25 00:45", "2026-10-25 02:00"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "at", "expected"), CLOCK_CHANGES.values(), ids=CLOCK_CHANGES)
def test_the_next_run_around_a_change_of_clocks(text, at, expected):
    assert next_after(parse(text), instant(at), BERLIN) == instant(expected)


LAST_AROUND_CHANGES = {
    "the day without the time": ("02:30", "2026-03-29 12:00", "2026-03-28 01:30"),
    "on the second": ("02:30", "2026-10-25 00:30", "2026-10-25 00:30"),
    "in the second hour, a later time of the first": ("02:50", "2026-10-25 01:10", "2026-10-25 00:50"),
    "after it": ("02:30", "2026-10-25 12:00", "2026-10-25 00:30"),
    "an hour later a wall time is not yet": ("03:05", "2026-10-25 01:59", "2026-10-24 01:05"),
}


@pytest.mark.parametrize(("text", "at", "expected"), LAST_AROUND_CHANGES.values(), ids=LAST_AROUND_CHANGES)
def test_the_last_run_around_a_change_of_clocks(text, at, expected):
    assert last_before(parse(text), instant(at), BERLIN) == instant(expected)


def test_a_day_that_a_zone_left_out_is_passed_over():
    apia = ZoneInfo("Pacific/Apia")  # had no 30 December 2011

    assert next_after(parse("12:00"), instant("2011-12-30 00:00"), apia) == instant("2011-12-30 22:00")
    assert next_after(parse("*:*"), instant("2011-12-30 09:59"), apia) == instant("2011-12-30 10:00")


BROKEN = {
    "nothing": "",
    "blanks": "  ",
    "an hour too many": "24:00",
    "a minute too many": "60",
    "a step beyond the field": "*/61",
    "a step of nothing": "*/0",
    "a range beyond the field": "0..80",
    "a range backwards": "5..2:00",
    "a day without a name": "foo",
    "a range of days without an end": "mon..",
    "a word after the days": "mon foo",
    "a star in a list": "*,5",
    "days from the end of the month": "*-*~3",
    "a month too many": "*-13-01",
    "a year too far": "2200-01-01",
    "a date of four": "1-2-3-4",
    "a time of four": "1:2:3:4",
    "two times": "21:00 22:00",
    "a time before its date": "21:00 2026-01-01",
    "a dash": "-",
    "other digits": "٢:00",
    "a negative": "-1:00",
    "a word in capitals": "DAILY",
    "too long": "1," * 200 + "1",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_proxmox_does_not_take_is_no_schedule(text):
    with pytest.raises(NotASchedule, match="the schedule"):
        parse(text)


@given(st.text("0123456789*/.,:- monUTC", max_size=24), st.integers(631152000, 4102444800))
def test_a_run_is_on_its_own_side_of_the_instant(text, epoch):
    at = datetime.fromtimestamp(epoch, UTC)
    try:
        schedule = parse(text)
    except NotASchedule:
        return

    after, before = next_after(schedule, at, BERLIN), last_before(schedule, at, BERLIN)

    assert after is None or after > at
    assert before is None or before <= at


HOUR = timedelta(hours=1)

#: Text, now, last start, first seen: the run that is missing. In Berlin, in July (UTC+2).
MISSED = {
    "it ran": ("21:00", "2026-07-15 22:00", "2026-07-15 19:00:05", "2026-07-01", None),
    "it did not run": ("21:00", "2026-07-15 22:00", "2026-07-14 19:00:05", "2026-07-01",
        "2026-07-15 19:00"),
    "it may still run": ("21:00", "2026-07-15 19:59", "2026-07-14 19:00:05", "2026-07-01", None),
    "it may run no longer": ("21:00", "2026-07-15 20:00", "2026-07-14 19:00:05", "2026-07-01",
        "2026-07-15 19:00"),
    "it ran late": ("21:00", "2026-07-15 22:00", "2026-07-15 19:55", "2026-07-01", None),
    "several did not run: the newest": ("21:00", "2026-07-15 22:00", "2026-07-10 19:00:05", "2026-07-01",
        "2026-07-15 19:00"),
    "it made up for it": ("21:00", "2026-07-15 12:00", "2026-07-15 06:00", "2026-07-01", None),
    "never ran, and was due": ("21:00", "2026-07-15 22:00", None, "2026-07-15 12:00",
        "2026-07-15 19:00"),
    "never ran, and was not due yet": ("21:00", "2026-07-15 22:00", None, "2026-07-15 19:30", None),
    "changed since its last run": ("21:00", "2026-07-15 22:00", "2026-07-01 19:00:05", "2026-07-15 19:30",
        None),
    "not due on a weekend": ("mon..fri 21:00", "2026-07-19 22:00", "2026-07-17 19:00:05", "2026-07-01",
        None),
    "once, to come": ("2030-12-24 20:00", "2026-07-15 22:00", None, "2026-07-01", None),
    "once, long ago": ("2024-12-24 20:00", "2026-07-15 22:00", None, "2026-07-01", None),
    "a time that did not exist is not missed": (
        "02:30", "2026-03-29 12:00", "2026-03-28 01:30:05", "2026-03-01", None),
    "a time that was twice may be the second": (
        "02:30", "2026-10-25 02:29", "2026-10-24 00:30:05", "2026-10-01", None),
    "it ran the second time": ("02:30", "2026-10-25 12:00", "2026-10-25 01:30:05", "2026-10-01", None),
    "neither time": ("02:30", "2026-10-25 02:30", "2026-10-24 00:30:05", "2026-10-01",
        "2026-10-25 00:30"),
    "the one before a time that was twice": (
        "02:30", "2026-10-25 02:29", "2026-10-23 00:30:05", "2026-10-01", "2026-10-24 00:30"),
}  # fmt: skip


def missed(text, at, last, seen, *, zone=BERLIN, **more):
    return missed_run(
        parse(text), at=instant(at), zone=zone, last_start_at=instant(last), first_seen_at=instant(seen),
        tolerance=HOUR, **more,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "at", "last", "seen", "expected"), MISSED.values(), ids=MISSED)
def test_which_run_did_not_happen(text, at, last, seen, expected):
    assert missed(text, at, last, seen) == instant(expected)


LATE = ("21:00", "2026-07-15 22:00", "2026-07-14 19:00:05", "2026-07-01")


def test_a_job_that_still_runs_has_missed_nothing():
    assert missed(*LATE) is not None
    assert missed(*LATE, is_running=True) is None


@pytest.mark.parametrize(
    ("ended", "is_late"),
    [("2026-07-15 21:01", False), ("2026-07-15 21:00", True)],
    ids=["just now", "before"],
)
def test_a_job_that_ran_over_its_next_time_may_begin_late(ended, is_late):
    assert (missed(*LATE, last_end_at=instant(ended)) is not None) == is_late


#: Without a zone: text, now, last start, next run as Proxmox says: the run that is missing.
WITHOUT_ZONE = {
    "one offset fits": ("21:00", "2026-07-15 22:00", "2026-07-14 19:00:05", "2026-07-16 19:00",
        "2026-07-15 19:00"),
    "it ran": ("21:00", "2026-07-15 22:00", "2026-07-15 19:00:05", "2026-07-16 19:00", None),
    "late, but within daylight saving": ("21:00", "2026-07-15 20:59", "2026-07-14 19:00:05", "2026-07-16 19:00",
        None),
    "all whole hours fit, and agree": ("hourly", "2026-07-15 22:30", "2026-07-15 18:00:05", "2026-07-15 23:00",
        "2026-07-15 20:00"),
    "the day of the week leaves one offset": (
        "mon..fri *:00", "2026-07-18 07:30", "2026-07-17 21:00:05", "2026-07-20 00:00", "2026-07-17 23:00"),
    "two offsets fit and disagree over the day of the week": (
        "mon..fri 21:00", "2026-07-20 20:00", "2026-07-18 09:00:05", "2026-07-21 09:00", None),
    "no next run is told": ("21:00", "2026-07-16 20:59", "2026-07-14 19:00:05", None, None),
    "no next run is told, and a day has passed": (
        "21:00", "2026-07-16 22:00", "2026-07-14 19:00:05", None, "2026-07-15 21:00"),
    "a next run that the schedule does not have": (
        "21:00", "2026-07-16 22:00", "2026-07-14 19:00:05", "2026-07-16 19:07", "2026-07-15 21:00"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "at", "last", "following", "expected"), WITHOUT_ZONE.values(), ids=WITHOUT_ZONE
)
def test_which_run_did_not_happen_in_a_zone_nobody_told(text, at, last, following, expected):
    found = missed(text, at, last, "2026-07-01", zone=None, next_run_at=instant(following))

    assert found == instant(expected)


def test_a_schedule_in_utc_needs_no_zone():
    assert missed("21:00 UTC", "2026-07-15 22:00", "2026-07-14 21:00:05", "2026-07-01", zone=None) == instant(
        "2026-07-15 21:00"
    )


def test_offsets_that_fit_a_daily_run_are_a_day_apart():
    found = offsets_of(parse("21:00"), instant("2026-07-16 10:00"), instant("2026-07-15 22:00"))

    assert found == (timezone(-13 * HOUR + 24 * HOUR),)
    assert offsets_of(parse("21:00"), instant("2026-07-16 09:00"), instant("2026-07-15 22:00")) == (
        timezone(-12 * HOUR),
        timezone(12 * HOUR),
    )


def test_a_next_run_that_has_passed_still_tells_the_offset():
    found = offsets_of(parse("21:00"), instant("2026-07-15 19:00"), instant("2026-07-16 12:00"))

    assert found == (timezone(2 * HOUR),)


# --- two years of changing clocks, and other odd instants -------------------------------------------------------------

#: By zone: the wall times that there are not in the night when clocks go ahead, by half an hour on Lord Howe, and these nights.
GAPS = {
    "Europe/Berlin": ("02:00", "03:00", {"2026-03-29", "2027-03-28"}),
    "America/New_York": ("02:00", "03:00", {"2026-03-08", "2027-03-14"}),
    "Australia/Lord_Howe": ("02:00", "02:30", {"2026-10-04", "2027-10-03"}),
}


def runs_between(schedule, first, last, zone):
    """All runs from one instant to another."""
    at, runs = first - timedelta(seconds=1), []
    while (at := next_after(schedule, at, zone)) is not None and at < last:
        runs.append(at)
    return runs


@pytest.mark.parametrize("name", GAPS)
@pytest.mark.parametrize("time", ["00:00", "01:30", "02:00", "02:15", "02:30", "03:00", "23:59"])
def test_a_daily_job_runs_once_on_each_day_of_two_years_that_has_its_time(name, time):
    zone, (begin, end, without) = ZoneInfo(name), GAPS[name]
    first, last = datetime(2026, 1, 1, tzinfo=zone), datetime(2028, 1, 1, tzinfo=zone)

    days = [run.astimezone(zone).date() for run in runs_between(parse(time), first, last, zone)]

    every = {date(2026, 1, 1) + timedelta(days=number) for number in range(730)}
    left_out = without if begin <= time < end else set()
    assert len(days) == len(set(days)) == 730 - len(left_out)
    assert {str(day) for day in every - set(days)} == left_out


@pytest.mark.parametrize("name", GAPS)
@pytest.mark.parametrize("time", ["01:30", "02:15", "02:30", "03:00"])
def test_a_daily_job_that_ran_has_missed_nothing_on_any_day_of_two_years(name, time):
    zone, schedule = ZoneInfo(name), parse(time)
    first, last = datetime(2026, 1, 1, tzinfo=zone), datetime(2028, 1, 1, tzinfo=zone)
    runs = runs_between(schedule, first, last, zone)

    def missed(at, last_start_at):
        return missed_run(
            schedule,
            at=at,
            zone=zone,
            last_start_at=last_start_at,
            first_seen_at=first,
            tolerance=timedelta(minutes=10),
        )

    for before, run in pairwise(runs):
        assert missed(run + timedelta(minutes=5), before) is None
        assert missed(run + timedelta(hours=20), run) is None
        assert missed(run + timedelta(hours=2), before) == run


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2016-12-31 23:59:59", "2017-01-01 00:00:00"),  # a leap second lies between: epoch seconds have none
        ("2038-01-19 03:14:07", "2038-01-20 00:00:00"),  # the last second of 32 bits
        ("2038-01-19 03:14:08", "2038-01-20 00:00:00"),
        ("2028-02-28 12:00:00", "2028-02-29 00:00:00"),
        ("2099-12-31 23:59:59", "2100-01-01 00:00:00"),
    ],
)
def test_a_daily_job_is_due_at_the_next_midnight_of_any_year(at, expected):
    assert next_after(parse("daily"), instant(at), UTC) == instant(expected)

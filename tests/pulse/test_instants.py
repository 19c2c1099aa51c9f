from datetime import UTC, datetime, timedelta, timezone

from pulse.lib.instants import instant, instant_seen, rfc3339


def test_an_instant_is_written_in_utc_with_z():
    at = datetime(2026, 1, 1, 13, 0, 0, 250000, tzinfo=timezone(timedelta(hours=1)))

    assert rfc3339(at) == "2026-01-01T12:00:00.250Z"


def test_an_unknown_instant_is_the_zero_time():
    assert rfc3339(None) == "0001-01-01T00:00:00Z"


def test_whole_seconds_carry_no_fraction():
    assert rfc3339(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"


def test_the_instants_of_polls_drive_out_none_that_come_again():
    kept = instant.cache_info().currsize

    told = [instant_seen(1767268800.0 + 10 * poll) for poll in range(1000)]

    assert told[-1] == "2026-01-01T14:46:30Z"
    assert instant.cache_info().currsize == kept
    assert instant_seen.cache_info().currsize == 64

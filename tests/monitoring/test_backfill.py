"""Proxmox's own records, the whole way: from a host over HTTPS to the points that are kept."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest

from monitoring.choices import BackfillReason, BackfillState, BlindCause
from monitoring.history import backfill as orders
from monitoring.history import metrics, reading
from monitoring.history.backfill import slices, work
from monitoring.history.metrics import Kind
from monitoring.known.memory import MEMORY
from monitoring.models import Backfill, BlindTime
from monitoring.store.current import store
from monitoring.store.leases import lease
from nodes import connecting
from nodes.models import Guest, Node, Storage
from nodes.proxmox import records
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.slots import Rank, in_background
from tests.conftest import NOON
from tests.fake_proxmox import PmgSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import asked, moment, paths, reset, with_token
from tests.process.running import until

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

DAY = 86_400
NOON_EPOCH = int(NOON.timestamp())


class Kept:
    """What was handed over to be kept, and by which instance."""

    def __init__(self):
        self.points = []
        self.instances = set()

    def __call__(self, instance_id, points):
        self.instances.add(instance_id)
        self.points += points
        return len(points)

    def of(self, kind, pk=None):
        """The series of an object, or of all of a kind."""
        return [one for one in self.points if one.kind == kind and pk in (None, one.pk)]

    def widths(self, kind, pk):
        """How many points of each width there are of an object."""
        return Counter(width for series in self.of(kind, pk) for width in series.width_seconds)


@pytest.fixture
def kept(monkeypatch):
    """What is handed over to be kept; a busy machine ends no slice."""
    found = Kept()
    monkeypatch.setattr(work, "keep_told", found)
    monkeypatch.setattr(work, "SLICE_SECONDS", 60.0)
    return found


@pytest.fixture
def small():
    """A host with three guests: a year of them is read in a moment."""
    with virtual_estate(PveSpec(name="pve", guests=3)) as estate:
        yield estate.servers[0]


def polled(watched, times=2):
    """Poll so often that the inventory is there."""
    for _ in range(times):
        watched.poll(after=10)
    return watched


def run_to_end(watched, *, longest=60):
    """Let the reading take its turns until nothing is open; returns how many it took."""
    for turns in range(1, longest):
        work.run(moment(watched))
        if not orders.orders.open_ones().exists():
            return turns
    raise AssertionError("it did not come to its end")


def only():
    """The one order there is."""
    return Backfill.objects.get()


# --- A new instance ---------------------------------------------------------------------------------------------------


def test_a_host_of_pve_9_is_read_back_for_a_year_and_its_node_for_ten(fake_pve, watch, kept):
    watched = polled(watch(fake_pve))

    run_to_end(watched)

    guest = Guest.objects.get(vmid=100)
    assert kept.widths(Kind.GUEST, guest.pk) == {60: 1_440, 1_800: 1_440, 21_600: 1_440}
    assert kept.widths(Kind.NODE, Node.objects.get().pk)[7 * DAY] > 200
    assert kept.widths(Kind.STORAGE, Storage.objects.get(name="local").pk)[60] == 1_440
    assert kept.instances == {watched.instance.pk}
    done = only()
    objects = Guest.objects.count() + Node.objects.count() + Storage.objects.count()
    assert (done.reason, done.state, done.message) == (BackfillReason.ADDED, BackfillState.DONE, "")
    assert (done.done_count, done.failed_count, done.total_count) == (objects, 0, objects)


def test_what_is_kept_of_a_guest_is_what_it_told(small, watch, kept):
    run_to_end(polled(watch(small)))

    guest = Guest.objects.get(vmid=100)
    day = next(one for one in kept.of(Kind.GUEST, guest.pk) if one.width_seconds[0] == 60)
    live = {row["vmid"]: row for row in small.site.rows(small.clock.now()).guests}[100]
    assert day.epochs[-1] == NOON_EPOCH - 60
    assert 0.5 < day.values[metrics.CPU][-1] / (live["cpu"] * 100) < 2
    assert day.values[metrics.MEMORY_USED][-1] == pytest.approx(live["mem"], rel=0.02)
    assert metrics.DISK_USED not in day.values


@pytest.mark.parametrize(
    ("version", "widths"),
    [
        ("8.4", {60: 70, 1_800: 70, 10_800: 70, 43_200: 70, 7 * DAY: 70}),
        ("7.4", {60: 70, 1_800: 70, 10_800: 70, 43_200: 70, 7 * DAY: 70}),
    ],
)
def test_an_older_host_is_read_in_the_five_timeframes_that_it_has(version, widths, watch, kept):
    with virtual_estate(PveSpec(name="pve", guests=4, version=version)) as estate:
        run_to_end(polled(watch(estate.servers[0])))

    assert kept.widths(Kind.NODE, Node.objects.get().pk) == widths
    assert only().state == BackfillState.DONE


def test_a_backup_server_is_read_with_its_datastores(fake_pbs, watch, kept):
    watched = polled(watch(fake_pbs, "pbs"))

    run_to_end(watched)

    # The newest row is still being filled.
    assert kept.widths(Kind.INSTANCE, watched.instance.pk) == {60: 1_439, 1_800: 1_439, 21_600: 1_439}
    stores = {one.pk for one in kept.of(Kind.DATASTORE)}
    assert len(stores) == 3
    assert only().done_count == 4


def test_a_mail_gateway_is_read_node_by_node(watch, kept):
    with virtual_estate(PmgSpec(name="mail", nodes=2)) as estate:
        site = estate.site("mail")
        watched = watch(site.first, "pmg", user=site.user, password=site.password)
        watched.server = estate
        run_to_end(polled(watched))

    assert {width for one in kept.of(Kind.MAIL_NODE) for width in one.width_seconds} == {
        60, 1_800, 10_800, 43_200, 7 * DAY,
    }  # fmt: skip
    assert len({one.pk for one in kept.of(Kind.MAIL_NODE)}) == 2


def test_a_new_instance_waits_until_its_inventory_is_there(small, watch, kept):
    watched = polled(watch(small), times=1)

    work.run(moment(watched))

    assert (only().state, kept.points) == (BackfillState.WAITING, [])


def test_an_instance_is_read_once(small, watch, kept):
    watched = polled(watch(small))
    run_to_end(watched)
    told = len(kept.points)

    work.run(moment(watched))

    assert Backfill.objects.count() == 1
    assert len(kept.points) == told


# --- Slices, kills, and who comes first -------------------------------------------------------------------------------


def test_a_slice_reads_some_objects_and_the_next_goes_on_after_them(small, watch, kept, monkeypatch):
    monkeypatch.setattr(slices, "OBJECTS_PER_SLICE", 2)
    watched = polled(watch(small))

    work.run(moment(watched))
    first = {(one.kind, one.pk) for one in kept.points}
    work.run(moment(watched))
    second = {(one.kind, one.pk) for one in kept.points} - first

    assert (len(first), len(second), only().done_count) == (2, 2, 4)


def test_a_slice_whose_time_is_over_ends_after_one_object(small, watch, kept, monkeypatch):
    monkeypatch.setattr(work, "SLICE_SECONDS", 0.0)
    watched = polled(watch(small))

    work.run(moment(watched))

    assert only().done_count == 1


def test_a_process_that_is_killed_within_a_slice_loses_that_slice_alone(small, watch, kept, monkeypatch):
    monkeypatch.setattr(slices, "OBJECTS_PER_SLICE", 2)
    watched = polled(watch(small))
    work.run(moment(watched))
    before = only()

    def killed(instance_id, points):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(work, "keep_told", killed)
        with pytest.raises(SystemExit):
            work.run(moment(watched))
    after = only()

    assert (after.cursor, after.done_count) == (before.cursor, before.done_count)
    run_to_end(watched)
    guests = {one.pk for one in kept.of(Kind.GUEST)}
    assert guests == set(Guest.objects.values_list("pk", flat=True))
    assert only().done_count == only().total_count


def test_it_goes_on_in_another_process(small, watch, kept, monkeypatch, fresh_store):
    monkeypatch.setattr(slices, "OBJECTS_PER_SLICE", 2)
    watched = polled(watch(small))
    work.run(moment(watched))
    done = only().done_count

    connecting.forget(watched.instance.pk)
    fresh_store.remove(watched.instance.pk)
    polled(watched)
    run_to_end(watched)

    assert done == 2
    assert len(kept.of(Kind.GUEST, Guest.objects.get(vmid=100).pk)) == 3
    assert only().done_count == only().total_count


def test_nobody_reads_while_somebody_else_does(small, watch, kept):
    watched = polled(watch(small))

    with lease(f"backfill:{watched.instance.pk}", 60):
        assert work.run(moment(watched)) == 0

    assert kept.points == []


def test_a_host_is_asked_one_call_at_a_time_and_each_of_them_once(small, watch, kept):
    watched = polled(watch(small))
    reset([small])

    run_to_end(watched)

    traffic = small.traffic.snapshot()
    assert max(traffic["inFlightPeak"].values()) == 1
    assert traffic["requests"]["/nodes/pve/qemu/100/rrddata"] == 3
    assert traffic["requests"]["/nodes/pve/rrddata"] == 4


def test_every_interval_is_polled_meanwhile(small, watch, kept):
    watched = polled(watch(small))
    reset([small])

    for _ in range(6):
        assert watched.poll(after=10)
        work.run(moment(watched))

    assert paths(small)["/cluster/resources"] == 6


def test_no_poll_waits_for_a_call_that_hangs(fake_cluster, watch):
    watched = polled(watch(fake_cluster, fingerprint=fake_cluster.fingerprint))
    fake_cluster.first.faults.add("hang", path="/nodes/pve-01/rrddata")
    connection = connecting.connection_for(watched.row())

    def ask(client):
        return records.averages(client, "pve-01", call=records.NODE, timeframe="day", timeout_seconds=4)

    def hang():
        with in_background(Rank.LAST), suppress(ProxmoxError):
            connection.ask(ask)

    beside = threading.Thread(target=hang, daemon=True)
    beside.start()
    until(lambda: asked(fake_cluster.servers, "rrddata"), seconds=10, what="the records are asked for")
    polls = [watched.poll(after=10) for _ in range(4)]
    peak = max(fake_cluster.load.peaks().values())
    beside.join(30)

    assert not beside.is_alive()
    assert polls == [True] * 4
    assert store().load(MEMORY, of=watched.instance.pk).failures == 0
    assert peak <= 2


def test_what_was_read_back_is_in_the_history(small, watch, monkeypatch):
    monkeypatch.setattr(work, "SLICE_SECONDS", 60.0)
    run_to_end(polled(watch(small)))

    guest = Guest.objects.get(vmid=100)
    found = reading.read(
        guest.instance_id,
        {Kind.GUEST: ([guest.pk], [metrics.CPU])},
        start_epoch=NOON_EPOCH - 30 * DAY,
        end_epoch=NOON_EPOCH,
        points=200,
    )

    column = found.series[Kind.GUEST, guest.pk][metrics.CPU]
    assert sum(value is not None for value in column.means) > 170
    assert found.told


# --- What goes wrong --------------------------------------------------------------------------------------------------


def test_what_goes_wrong_with_one_object_stops_no_other(small, watch, kept):
    watched = polled(watch(small))
    small.faults.add("500", path="/nodes/pve/qemu/100/rrddata", reason="unable to open rrd file")

    run_to_end(watched)

    done = only()
    assert (done.state, done.failed_count) == (BackfillState.DONE, 1)
    assert "unable to open rrd file" in done.message
    assert not kept.of(Kind.GUEST, Guest.objects.get(vmid=100).pk)
    assert kept.of(Kind.GUEST, Guest.objects.get(vmid=101).pk)


def test_an_object_of_which_one_timeframe_cannot_be_read_counts_as_read(small, watch, kept):
    watched = polled(watch(small))
    small.faults.add("500", path="/nodes/pve/rrddata", count=1)

    run_to_end(watched)

    assert only().failed_count == 0
    assert set(kept.widths(Kind.NODE, Node.objects.get().pk)) == {1_800, 21_600, 7 * DAY}


def test_a_host_that_does_not_answer_is_tried_again_later(small, watch, kept, monkeypatch):
    monkeypatch.setattr(slices, "OBJECTS_PER_SLICE", 2)
    watched = polled(watch(small))
    work.run(moment(watched))
    small.faults.add("down")
    watched.server.clock.advance(1)

    work.run(moment(watched))
    waiting = only()
    small.faults.clear()
    work.run(moment(watched))

    assert (waiting.state, waiting.trial_count) == (BackfillState.RUNNING, 1)
    assert waiting.message
    assert only().done_count == waiting.done_count
    watched.seconds += 31
    run_to_end(watched)
    assert only().state == BackfillState.DONE
    assert only().failed_count == 0


def test_a_host_that_fails_its_live_polls_is_not_asked(small, watch, kept):
    watched = polled(watch(small))
    small.faults.add("500", path="/cluster/resources")
    watched.poll(after=10)
    reset([small])

    work.run(moment(watched))

    assert paths(small) == {}
    assert only().state == BackfillState.WAITING


def test_each_failure_in_a_row_lets_it_wait_twice_as_long(small, watch):
    instance = watch(small).instance
    order = orders.ask(instance, at=NOON)
    waits = []
    for count in (1, 2, 3, 30):
        order.trial_count, order.tried_at = count, NOON
        waits.append(next(s for s in range(0, 4_000, 10) if work.is_time(order, NOON + timedelta(seconds=s))))

    assert waits == [30, 60, 120, 1_800]


def test_after_a_clock_was_set_back_nothing_waits(small, watch):
    order = orders.ask(watch(small).instance, at=NOON)
    order.trial_count, order.tried_at = 5, NOON

    assert work.is_time(order, NOON - timedelta(hours=1))


def test_an_object_over_which_the_host_runs_out_of_time_is_passed_over_in_the_end(
    small, watch, kept, monkeypatch
):
    watched = polled(watch(small))
    small.faults.add("hang", path="/nodes/pve/rrddata")

    with monkeypatch.context() as patch:
        patch.setattr(slices, "CALL_SECONDS", 1.0)
        for _ in range(10):  # three, where nothing else lets the host run out of time
            work.run(moment(watched))
            watched.seconds += 2_000
            if only().failed_count:
                break

    assert (only().failed_count, only().done_count) == (1, 0)
    run_to_end(watched)
    assert (only().state, only().failed_count) == (BackfillState.DONE, 1)


def test_an_account_that_may_not_see_the_records_is_told_so(fake_pbs, watch, kept):
    watched = polled(watch(fake_pbs, "pbs"))
    fake_pbs.faults.add("403", path="*/rrd", reason="permission check failed")

    run_to_end(watched)

    assert only().state == BackfillState.FAILED
    assert "refused the call" in only().message


def test_a_flaw_of_ours_ends_it_at_last(small, watch, kept, monkeypatch):
    watched = polled(watch(small))

    def broken(*_):
        raise ValueError("no")

    monkeypatch.setattr(slices, "subjects_of", broken)
    for _ in range(5):
        work.run(moment(watched))
        watched.seconds += 2_000

    assert only().state == BackfillState.FAILED
    assert only().message == "A flaw in Pulse: ValueError"


@pytest.mark.parametrize(
    "fault", ["nan", "infinity", "huge", "deep", "empty-list", "null", "html", "hostile-names"]
)
def test_a_host_that_lies_does_no_harm(fault, small, watch, kept):
    watched = polled(watch(small))
    small.faults.add(fault, path="*/rrddata")

    run_to_end(watched)

    assert only().state in (BackfillState.DONE, BackfillState.FAILED)
    assert all(
        0 <= value < 10**19 for one in kept.points for told in one.values.values() for value in told if value
    )


def test_rows_of_the_future_are_not_kept(small, watch, kept):
    watched = polled(watch(small))
    small.clock.advance(30 * DAY)

    run_to_end(watched)

    ends = [
        epoch + width
        for one in kept.points
        for epoch, width in zip(one.epochs, one.width_seconds, strict=True)
    ]
    assert max(ends) <= moment(watched).timestamp()


# --- Cancelled, paused, removed ---------------------------------------------------------------------------------------


def test_what_is_cancelled_is_read_no_further(small, watch, kept, monkeypatch):
    monkeypatch.setattr(slices, "OBJECTS_PER_SLICE", 2)
    watched = polled(watch(small))
    work.run(moment(watched))
    told = len(kept.points)

    assert orders.cancel(only(), at=moment(watched)) is True
    work.run(moment(watched))

    assert (only().state, len(kept.points)) == (BackfillState.CANCELLED, told)
    assert orders.cancel(only(), at=moment(watched)) is False


def test_what_is_cancelled_within_a_slice_is_not_kept(small, watch, kept, monkeypatch):
    watched = polled(watch(small))
    real = slices.series_of

    def cancelling(*arguments):
        Backfill.objects.update(state=BackfillState.CANCELLED)
        return real(*arguments)

    monkeypatch.setattr(slices, "series_of", cancelling)
    work.run(moment(watched))

    assert kept.points == []
    assert only().state == BackfillState.CANCELLED


def test_the_reading_of_a_paused_instance_ends(small, watch, kept, monkeypatch):
    monkeypatch.setattr(slices, "OBJECTS_PER_SLICE", 2)
    watched = polled(watch(small))
    work.run(moment(watched))
    watched.instance.is_paused = True
    watched.instance.save()

    work.run(moment(watched))

    assert (only().state, only().message) == (BackfillState.CANCELLED, "The instance was paused")


def test_the_orders_of_a_removed_instance_go_with_it(small, watch, kept):
    watched = polled(watch(small))
    work.run(moment(watched))

    watched.instance.delete()

    assert work.run(moment(watched)) == 0
    assert not Backfill.objects.exists()


# --- Gaps -------------------------------------------------------------------------------------------------------------


def gap(watched, *, begin, end):
    """Order what is missing between two instants, in seconds before the last poll, with no other order in the way."""
    work.orders.order_for_new(moment(watched))
    Backfill.objects.update(state=BackfillState.DONE)
    now = int(moment(watched).timestamp())
    return orders.fill_gap(watched.instance, start_epoch=now - begin, end_epoch=now - end, at=moment(watched))


def test_a_short_gap_is_filled_with_samples_of_ten_seconds(small, watch, kept):
    watched = polled(with_token(watch(small), small.site), times=3)
    order = gap(watched, begin=620, end=20)

    run_to_end(watched)

    guest = Guest.objects.get(vmid=100)
    (series,) = kept.of(Kind.GUEST, guest.pk)
    order.refresh_from_db()
    assert order.state == BackfillState.DONE
    assert len(series.epochs) == 60
    assert set(series.width_seconds) == {10}
    assert all(series.values[metrics.NETWORK_IN])
    assert metrics.LOAD_15 in kept.of(Kind.NODE)[0].values


def test_a_gap_does_not_wait_until_a_year_is_read(small, watch, kept, monkeypatch):
    monkeypatch.setattr(slices, "OBJECTS_PER_SLICE", 1)
    watched = polled(with_token(watch(small), small.site), times=3)
    work.run(moment(watched))
    now = int(moment(watched).timestamp())
    order = orders.fill_gap(watched.instance, start_epoch=now - 300, end_epoch=now, at=moment(watched))

    work.run(moment(watched))

    order.refresh_from_db()
    assert order.state == BackfillState.DONE
    assert Backfill.objects.get(reason=BackfillReason.ADDED).state == BackfillState.RUNNING


def test_rates_of_a_gap_are_those_of_the_live_figures(small, watch, kept):
    small.site.set_rate(100, netin=5_000)
    small.site.reset_counters(100)
    watched = with_token(watch(small), small.site)
    for _ in range(12):
        watched.poll(after=10)
    gap(watched, begin=60, end=0)

    run_to_end(watched)

    (series,) = kept.of(Kind.GUEST, Guest.objects.get(vmid=100).pk)
    live = watched.guests()[100]
    assert series.values[metrics.NETWORK_IN][-1] == pytest.approx(live["networkIn"], rel=0.02)


def test_templates_and_storages_without_a_size_are_left_out(small, watch, kept):
    small.site.change_guest(101, is_template=True)
    small.site.set_storage("local", is_disabled=True)
    watched = polled(with_token(watch(small), small.site), times=3)
    gap(watched, begin=300, end=0)

    run_to_end(watched)

    assert {one.pk for one in kept.of(Kind.GUEST)} == set(Guest.objects.values_list("pk", flat=True))
    assert {one.pk for one in kept.of(Kind.STORAGE)} == set(Storage.objects.values_list("pk", flat=True))
    assert not Guest.objects.filter(vmid=101).exists()


def test_a_node_that_is_missing_without_a_word_is_noticed(watch, kept):
    spec = PveSpec(name="lab", nodes=3, guests=6, version="9.2", older_nodes=1, older_version="8.1")
    with virtual_estate(spec) as estate:
        site = estate.site("lab")
        watched = with_token(watch(site), site)
        watched.server = estate
        polled(watched, times=3)
        order = gap(watched, begin=300, end=0)
        run_to_end(watched)

    order.refresh_from_db()
    assert (order.done_count, order.failed_count) == (2, 1)
    assert order.message == "Nothing was told of pve-02"


def test_a_gap_of_an_hour_is_filled_with_the_averages_of_a_day(small, watch, kept):
    watched = polled(watch(small), times=3)
    gap(watched, begin=3_600, end=0)
    reset([small])

    run_to_end(watched)

    assert set(kept.widths(Kind.GUEST, Guest.objects.get(vmid=100).pk)) == {60}
    assert 58 <= kept.widths(Kind.GUEST, Guest.objects.get(vmid=100).pk)[60] <= 61
    assert small.traffic.snapshot()["requests"]["/nodes/pve/qemu/100/rrddata"] == 1
    assert "/cluster/metrics/export" not in paths(small)


def test_a_short_gap_of_an_older_host_is_filled_with_averages(watch, kept):
    with virtual_estate(PveSpec(name="pve", guests=4, version="8.1")) as estate:
        watched = polled(watch(estate.servers[0]), times=3)
        gap(watched, begin=600, end=0)
        run_to_end(watched)

    assert set(kept.widths(Kind.NODE, Node.objects.get().pk)) == {60}


def test_an_account_that_may_not_export_is_served_with_averages(small, watch, kept):
    watched = polled(watch(small), times=3)
    small.faults.add("403", path="/cluster/metrics/export")
    gap(watched, begin=600, end=0)

    run_to_end(watched)

    assert set(kept.widths(Kind.NODE, Node.objects.get().pk)) == {60}
    assert only_gap().failed_count == 0


def only_gap():
    """The order for the gap."""
    return Backfill.objects.get(reason=BackfillReason.GAP)


def test_a_short_gap_of_a_backup_server_is_filled_with_samples(fake_pbs, watch, kept):
    watched = polled(watch(fake_pbs, "pbs"), times=3)
    gap(watched, begin=600, end=0)

    run_to_end(watched)

    (series,) = kept.of(Kind.INSTANCE, watched.instance.pk)
    assert set(series.width_seconds) == {10}
    assert metrics.DISK_WRITE in series.values
    assert len(kept.of(Kind.DATASTORE)) == 3


def test_a_large_cluster_is_not_asked_for_an_answer_that_is_too_long(small, watch, kept, monkeypatch):
    monkeypatch.setattr(slices, "MOST_VALUES", 100)
    watched = polled(watch(small), times=3)
    gap(watched, begin=600, end=0)
    reset([small])

    run_to_end(watched)

    assert "/cluster/metrics/export" not in paths(small)
    assert only_gap().state == BackfillState.DONE


def test_a_time_without_sight_counts_as_filled_once_it_was_read(small, watch, kept):
    watched = polled(watch(small), times=3)
    now = int(moment(watched).timestamp())
    blind = BlindTime.objects.create(
        instance=watched.instance, start_epoch=now - 600, end_epoch=now - 60, cause=BlindCause.STOPPED
    )
    gap(watched, begin=600, end=60)

    run_to_end(watched)

    blind.refresh_from_db()
    assert blind.is_filled

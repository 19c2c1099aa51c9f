"""A day and a year of guests whose every figure is known in closed form: what is kept is right in every tier.

Figures go the whole way: counters become rates, rates samples, samples batches, seals, days, months; only the host is left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import cos, pi, sin
from statistics import fmean

import pytest

from monitoring.choices import Tier
from monitoring.figures.guest_disk import container_disk
from monitoring.figures.guests import live_guest
from monitoring.figures.instances import Figures
from monitoring.figures.rates import advance
from monitoring.history import compacting, keeping, reading, retention, sealing, telling
from monitoring.history.metrics import CPU, DISK_USED, MEMORY_USED, NETWORK_IN, Kind
from monitoring.known.facts import NOTHING_COLLECTED
from monitoring.known.memory import PollMemory
from monitoring.models import HistoryBatch, HistorySpan
from nodes.models import Guest
from nodes.proxmox.readings.live import GuestReading
from tests.factories import make_guest, make_instance

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(600)]

GIB = 1 << 30
HOUR, DAY = 3_600, 86_400
#: The clocks of Europe go an hour ahead on this Sunday; ours are in UTC.
SUNDAY = int(datetime(2026, 3, 29, tzinfo=UTC).timestamp())


def cpu_at(epoch):
    """Percent: a daily wave, and a peak of one sample in each hour."""
    return 92.0 if epoch % HOUR == 1800 else 30 + 20 * sin(2 * pi * epoch / DAY)


def memory_at(epoch):
    """Bytes: a saw of six hours."""
    return int((2 + epoch % (6 * HOUR) / (6 * HOUR)) * GIB)


def disk_at(epoch):
    """Bytes: it fills by the day."""
    return int(10 * GIB + (epoch - SUNDAY) / DAY * GIB)


def received_at(epoch):
    """Bytes received: what grows by a million in a second, and half as much more or less by the hour."""
    wave = 2 * pi / HOUR
    return int(1e6 * (epoch - SUNDAY + DAY) - 0.5e6 / wave * cos(wave * epoch))


class Observed:
    """One instance of which some guests are polled, and what must have been seen of them."""

    def __init__(self, *vmids):
        self.instance = make_instance()
        self.pks = {vmid: make_guest(self.instance, vmid=vmid, kind="lxc").pk for vmid in vmids}
        self.memory = PollMemory()
        self.node, self.started, self.offset = "pve1", SUNDAY - DAY, 0
        self.there = set(vmids)
        self.seen = {CPU: {}, MEMORY_USED: {}, DISK_USED: {}, NETWORK_IN: {}}
        self.last = None

    def restart(self, epoch, node="pve1"):
        """Start the guests anew: their counters begin at 0."""
        self.node, self.started, self.offset = node, epoch, received_at(epoch)

    def poll(self, epoch, interval=10):
        """Poll as if the host had told this."""
        guests = []
        for vmid in sorted(self.there):
            told = GuestReading(
                vmid,
                "lxc",
                self.node,
                "running",
                cpu_ratio=cpu_at(epoch) / 100,
                memory_used_bytes=memory_at(epoch),
                memory_total_bytes=4 * GIB,
                disk_used_bytes=disk_at(epoch),
                disk_total_bytes=1000 * GIB,
                network_in_bytes=received_at(epoch) - self.offset,
                network_out_bytes=0,
                disk_read_bytes=0,
                disk_write_bytes=0,
                uptime_seconds=epoch - self.started,
            )
            sample = advance(
                self.memory.samples.get(vmid), told, at_epoch=float(epoch), is_fresh=True, interval=interval
            )
            self.memory.samples[vmid] = sample
            disk = container_disk(told)
            guests.append(live_guest(told, at_epoch=epoch, name="", tags=(), sample=sample, disk=disk))
        self.memory.figures = Figures(guests=tuple(guests))
        at = datetime.fromtimestamp(epoch, UTC)
        keeping.keep(self.instance, self.memory, NOTHING_COLLECTED, at=at)

    def note(self, epoch, *, has_rate=True, distance=10):
        """Note what must be kept of an instant."""
        self.seen[CPU][epoch] = cpu_at(epoch)
        self.seen[MEMORY_USED][epoch] = memory_at(epoch)
        self.seen[DISK_USED][epoch] = disk_at(epoch)
        if has_rate:
            self.seen[NETWORK_IN][epoch] = (received_at(epoch) - received_at(epoch - distance)) / distance

    def settle(self, epoch):
        """Seal and compact what is closed at the instant."""
        for hour in sealing.closed_hours(self.instance.pk, at_epoch=epoch):
            sealing.seal(self.instance.pk, hour)
        compacting.compact(self.instance.pk, at_epoch=epoch, most=10)

    def column(self, metric, start, end, points, vmid=101):
        """Return the grid and the series of a metric."""
        columns = reading.read(
            self.instance.pk,
            {Kind.GUEST: ([self.pks[vmid]], [metric])},
            start_epoch=start,
            end_epoch=end,
            points=points,
            head=self.memory.head,
        )
        return columns.grid, columns.series[Kind.GUEST, self.pks[vmid]][metric]


def check(observed, metric, start, end, step, *, steps=1.0, vmid=101, skipped=()):
    """Compare each bucket with the exact figures of the instants within; `steps` of its scale is what it may be off."""
    grid, column = observed.column(metric, start, end, (end - start) // step, vmid)
    assert grid == (start, step, (end - start) // step)
    checked = 0
    for bucket, epoch in enumerate(grid.epochs):
        if any(first < epoch + step and epoch < last for first, last in skipped):
            continue
        exact = [figure for at, figure in observed.seen[metric].items() if epoch <= at < epoch + step]
        found = (column.means[bucket], column.lows[bucket], column.highs[bucket])
        if not exact:
            assert found == (None, None, None), (metric, epoch - start)
            continue
        for one, wanted in zip(found, (fmean(exact), min(exact), max(exact)), strict=True):
            assert one is not None, (metric, epoch - start, wanted)
            assert abs(one - wanted) <= steps * metric.scale.step_at(wanted), (
                metric,
                epoch - start,
                one,
                wanted,
            )
            checked += 1
    return checked


METRICS = (CPU, MEMORY_USED, DISK_USED, NETWORK_IN)


def test_a_day_with_everything_that_can_happen_is_right_in_every_tier():
    observed = Observed(101, 102)
    observed.there = {101}
    stopped, silent = (3 * HOUR, 3 * HOUR + 1500), (5 * HOUR, 5 * HOUR + 600)
    has_rate = False
    for second in range(0, DAY, 10):
        epoch = SUNDAY + second
        if stopped[0] <= second < stopped[1] or silent[0] <= second < silent[1]:
            has_rate = False  # the counters moved on unseen
            continue
        if second == stopped[1]:
            # Pulse was ended, and what had not been written with it; it starts with nothing in memory.
            keeping.write_head(observed.instance.pk, observed.memory, before_epoch=float("inf"))
            observed.memory = PollMemory()
        if second == 7 * HOUR:
            observed.restart(epoch)
            has_rate = False
        if second == 9 * HOUR:
            observed.restart(epoch, node="pve2")  # as after a live migration
            has_rate = False
        if second == 10 * HOUR:
            Guest.objects.filter(pk=observed.pks[101]).update(name="renamed")
        observed.there = {101, 102} if 11 * HOUR + 30 <= second < 15 * HOUR else {101}
        observed.poll(epoch)
        observed.note(epoch, has_rate=has_rate)
        has_rate = True
        if second % 1800 == 0:
            observed.settle(epoch)
    observed.poll(SUNDAY + DAY)
    observed.settle(SUNDAY + DAY + 2 * HOUR)

    for metric in METRICS:
        assert check(observed, metric, SUNDAY, SUNDAY + DAY, 10) > 24_000
        assert check(observed, metric, SUNDAY, SUNDAY + DAY, 60) > 4_000
        assert check(observed, metric, SUNDAY, SUNDAY + DAY, 300) > 800
        assert check(observed, metric, SUNDAY, SUNDAY + DAY, HOUR) == 72
        assert check(observed, metric, SUNDAY, SUNDAY + DAY, 6 * HOUR, steps=1.5) == 12
    short = {epoch: one for epoch, one in observed.seen[CPU].items() if 39_630 <= epoch - SUNDAY < 54_000}
    observed.seen[CPU] = short
    assert check(observed, CPU, SUNDAY, SUNDAY + DAY, 10, vmid=102) == 3 * len(short)
    assert check(observed, CPU, SUNDAY, SUNDAY + DAY, 300, vmid=102) > 100
    assert {one.tier for one in HistorySpan.objects.all()} == set(Tier)

    # What Proxmox kept of the time in which Pulse did not run: a mean of each minute.
    minutes = list(range(SUNDAY + 2 * HOUR, SUNDAY + 4 * HOUR, 60))
    means = [fmean(memory_at(epoch + second) for second in range(0, 60, 10)) for epoch in minutes]
    told = telling.ToldSeries(Kind.GUEST, observed.pks[101], minutes, [60] * 120, {MEMORY_USED: means})
    telling.keep_told(observed.instance.pk, [told])

    _, column = observed.column(MEMORY_USED, SUNDAY + 2 * HOUR, SUNDAY + 4 * HOUR, 120)
    for bucket, wanted in enumerate(means):
        assert abs(column.means[bucket] - wanted) <= MEMORY_USED.scale.step_at(wanted)
    gap = range(60, 85)
    assert [bucket for bucket in range(120) if column.lows[bucket] is None] == list(gap)
    assert check(observed, MEMORY_USED, SUNDAY + 4 * HOUR, SUNDAY + DAY, 60) > 3_000


def test_clock_steps_neither_lose_nor_double_what_was_seen():
    observed = Observed(101)
    truth = {}

    def poll(epochs):
        for epoch in epochs:
            taken = observed.memory.sampled_epoch
            observed.poll(epoch)
            if observed.memory.sampled_epoch != taken:
                truth.setdefault(epoch, memory_at(epoch))
            if epoch % 1800 < 10:
                observed.settle(epoch)

    poll(range(SUNDAY, SUNDAY + 2 * HOUR, 10))
    poll(range(SUNDAY + HOUR + 5, SUNDAY + 3 * HOUR, 10))  # an hour back: into what is sealed
    poll(range(SUNDAY + 5 * HOUR, SUNDAY + 6 * HOUR, 10))  # two hours ahead
    poll(range(SUNDAY + 5 * HOUR + 1000, SUNDAY + 7 * HOUR, 10))  # the same seconds once more
    observed.poll(SUNDAY + 8 * HOUR)
    observed.settle(SUNDAY + DAY + 2 * HOUR)
    observed.seen[MEMORY_USED] = truth

    day = (SUNDAY, SUNDAY + 8 * HOUR)
    assert check(observed, MEMORY_USED, *day, 60) == 3 * 60 * 5
    assert check(observed, MEMORY_USED, *day, HOUR) == 15
    assert HistorySpan.objects.filter(tier=Tier.TEN_SECONDS).count() == 5
    assert not HistoryBatch.objects.exists()


def test_a_year_is_right_in_the_tiers_that_are_left_of_it():
    observed = Observed(101)
    days, interval = 370, 6 * HOUR
    holes = [(40 * DAY, 42 * DAY + 5 * HOUR), (200 * DAY + HOUR, 201 * DAY + HOUR)]
    has_rate = False
    for second in range(0, days * DAY, interval):
        epoch = SUNDAY + second
        if any(first <= second < last for first, last in holes):
            has_rate = False
            continue
        observed.poll(epoch, interval)
        observed.note(epoch, has_rate=has_rate, distance=interval)
        has_rate = True
        if second % DAY == 0:
            observed.settle(epoch)
        if second % (30 * DAY) == 0:
            retention.prune(at=datetime.fromtimestamp(epoch, UTC))
    end = SUNDAY + days * DAY
    observed.poll(end, interval)
    observed.settle(end + 3 * HOUR)

    year = (SUNDAY + 5 * DAY, SUNDAY + 365 * DAY)
    for metric in (CPU, MEMORY_USED, DISK_USED, NETWORK_IN):
        assert check(observed, metric, *year, 6 * HOUR, steps=1.5) > 4_000
        assert check(observed, metric, *year, DAY, steps=1.5) > 1_000
        assert check(observed, metric, year[1] - 30 * DAY, year[1], HOUR) == 3 * 120
    assert HistorySpan.objects.filter(tier=Tier.TEN_SECONDS).count() < 24 * 41
    assert HistorySpan.objects.filter(tier=Tier.SIX_HOURS).count() < 50

"""What real engines make of the samples that are written to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring.exporting.naming import series_of
from monitoring.exporting.remote import sending, turns
from monitoring.history.metrics import CPU, DISK_USED, MEMORY_USED, METRICS, Kind
from monitoring.history.sampled import samples
from monitoring.models import RemoteWriteTarget
from nodes.models import Guest, Node, Storage
from tests.conftest import NOON
from tests.factories import make_storage
from tests.monitoring.conftest import Watched
from tests.monitoring.history import instant, write
from tests.monitoring.remote.targets import make_target
from tests.process.running import until
from tests.scale.engines import Engine

pytestmark = [pytest.mark.scale, pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

EPOCH = 1767268800  # noon


@pytest.fixture(params=["prometheus", "victoria-metrics"])
def engine(request, tmp_path) -> Iterator[Engine]:
    """Each engine in turn."""
    sending._known.clear()
    engine = Engine(request.param, tmp_path / "engine")
    yield engine
    engine.stop()


def turn_at(seconds):
    """Take the turn of every target so many seconds after noon."""
    for pk in turns.due():
        turns.take(pk, NOON + timedelta(seconds=seconds))


def held(instance_id, kind, metric, pk):
    """Return our own samples of a series, as another reader of the history has them: epoch to figure."""
    return {
        one.epoch: one.figures[metric][one.pks.index(pk)]
        for one in samples(instance_id, start_epoch=EPOCH, end_epoch=EPOCH + 300)
        if one.kind is kind and metric in one.figures and pk in one.pks
    }


def found(engine, query, *, count):
    """Return the samples of one series of an engine up to five minutes after noon, when so many are there: epoch to value."""

    def values():
        results = engine.query(f"{query}[5m]", at=EPOCH + 299)
        return results if results and len(results[0]["values"]) == count else None

    (series,) = until(values, seconds=20, what=query)
    return {int(epoch): float(value) for epoch, value in series["values"]}


def test_an_engine_answers_with_the_figures_that_are_held(engine, fake_cluster):
    watched = Watched(fake_cluster)
    make_target(url=engine.url)
    watched.poll()
    turn_at(0)
    for _ in range(36):
        watched.poll(after=10)
        if watched.seconds % 30 == 0:
            turn_at(watched.seconds)

    target = RemoteWriteTarget.objects.get()
    guest, node = Guest.objects.get(vmid=101), Node.objects.get(name="pve-02")
    storage = Storage.objects.filter(name="local", node_name="pve-01").get()
    instance = watched.instance.pk

    assert (target.dropped_count, target.failure_message) == (0, "")
    for kind, metric, pk, query, factor in (
        (Kind.GUEST, CPU, guest.pk, f'pulse_guest_cpu_ratio{{vmid="101",kind="{guest.kind}"}}', 0.01),
        (Kind.GUEST, MEMORY_USED, guest.pk, 'pulse_guest_memory_used_bytes{vmid="101"}', 1),
        (Kind.NODE, CPU, node.pk, 'pulse_node_cpu_ratio{instance="pve-0",node="pve-02"}', 0.01),
        (Kind.STORAGE, DISK_USED, storage.pk, 'pulse_storage_disk_used_bytes{storage="local",node="pve-01"}', 1),
    ):  # fmt: skip
        own = held(instance, kind, metric, pk)
        assert len(own) == 30
        # VictoriaMetrics keeps decimal figures of a bounded length.
        assert found(engine, query, count=len(own)) == pytest.approx(
            {epoch: figure * factor for epoch, figure in own.items()}, rel=1e-9
        )


def test_every_series_of_a_guest_is_there(engine, fake_pve):
    watched = Watched(fake_pve)
    make_target(url=engine.url)
    watched.poll()
    turn_at(0)
    for _ in range(8):
        watched.poll(after=10)
    turn_at(80)
    guest = Guest.objects.get(vmid=101)
    names = {
        series_of(Kind.GUEST, metric).name
        for one in samples(watched.instance.pk, start_epoch=EPOCH, end_epoch=EPOCH + 60)
        for metric in METRICS[Kind.GUEST]
        if one.kind is Kind.GUEST
        and one.figures.get(metric, [None] * 99)[one.pks.index(guest.pk)] is not None
    }

    def shown():
        results = engine.query('{__name__=~"pulse_guest_.+",vmid="101"}', at=EPOCH + 55)
        return {one["metric"]["__name__"] for one in results}

    until(lambda: shown() >= names, seconds=20, what="all series")
    assert shown() == names
    assert len(names) > 6


def test_figures_are_joined_to_names_as_the_documents_say(engine, fake_pve):
    watched = Watched(fake_pve)
    make_target(url=engine.url)
    watched.poll()
    turn_at(0)
    for _ in range(8):
        watched.poll(after=10)
    turn_at(80)
    query = (Path(__file__).parents[2] / "docs/remote-write.md").read_text().partition("```promql\n")[2]

    results = until(
        lambda: engine.query(query.partition("```")[0].strip(), at=EPOCH + 59), seconds=20, what="names"
    )

    guest = Guest.objects.get(vmid=101)
    assert {
        (one["metric"]["name"], one["metric"]["node"]) for one in results if one["metric"]["vmid"] == "101"
    } == {(guest.name, "pve")}


def test_a_guest_that_is_gone_is_gone_there_too_at_once(engine, fake_pve):
    watched = Watched(fake_pve)
    make_target(url=engine.url)
    watched.poll()
    turn_at(0)
    for _ in range(12):
        watched.poll(after=10)
        if watched.seconds == 60:
            fake_pve.site.remove_guest(101)
    turn_at(150)

    def shown(seconds):
        return {one["metric"]["vmid"] for one in engine.query("pulse_guest_cpu_ratio", at=EPOCH + seconds)}

    until(lambda: "102" in shown(125) and "101" not in shown(85), seconds=20, what="what was sent last")
    assert "101" in shown(59)
    assert "101" not in shown(85)
    assert "102" in shown(85)


def test_names_that_hosts_choose_arrive_as_they_are(engine, fake_pve):
    watched = Watched(fake_pve)
    make_target(url=engine.url, extra_labels={"site": "Größe \N{SNOWMAN}"})
    name = 'x"} 1\npulse_up{a="\\'
    storage = make_storage(watched.instance, name)
    turn_at(0)
    write(watched.instance.pk, [instant(EPOCH, {storage.pk: {DISK_USED: 4 << 20}}, Kind.STORAGE)])

    turn_at(75)

    (result,) = until(
        lambda: engine.query("pulse_storage_disk_used_bytes", at=EPOCH + 1), seconds=20, what="the storage"
    )
    assert result["metric"] == {
        "__name__": "pulse_storage_disk_used_bytes",
        "instance": "pve-0",
        "node": "pve1",
        "site": "Größe \N{SNOWMAN}",
        "storage": name,
    }
    assert result["value"][1] == "4194304"


def test_what_an_engine_has_already_is_refused_and_said_by_prometheus_alone(engine, fake_pve):
    watched = Watched(fake_pve)
    target = make_target(url=engine.url)
    watched.poll()
    turn_at(0)
    for _ in range(8):
        watched.poll(after=10)
    turn_at(80)
    before = RemoteWriteTarget.objects.get()
    target.remotewritecursor_set.update(next_epoch=EPOCH)  # as after a kill within a turn
    sending._known.clear()

    turn_at(90)

    after = RemoteWriteTarget.objects.get()
    if engine.kind == "prometheus":
        assert after.dropped_count == before.sent_count
        assert after.drop_reason.startswith("the engine refuses samples (400): it has newer samples already")
    else:
        assert (after.sent_count, after.dropped_count) == (2 * before.sent_count, 0)
    assert after.failures == 0

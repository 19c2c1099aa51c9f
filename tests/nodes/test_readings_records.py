"""What hosts have kept of the past: rows of several widths, gaps, rates, and the samples of the last half hour."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from nodes.proxmox import record_rows, records
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.records import ExportedReading, SamplesReading
from tests.nodes.recorded import recorded
from tests.nodes.test_readings_any_input import mutated

AT = 1_785_168_000


def rows(*times: int, **figures: Any) -> list[dict[str, Any]]:
    """Return rows of these times after an hour, all with the same figures."""
    return [{"time": AT + time, **figures} for time in times]


WIDTHS: dict[str, tuple[list[int], list[int]]] = {
    "even rows": ([60, 120, 180], [60, 60, 60]),
    "coarse rows before fine ones, as after an upgrade": (
        [1_800, 3_600, 5_400, 5_460, 5_520],
        [1_800, 1_800, 1_800, 60, 60],
    ),
    "fine rows that begin within a coarse one": ([1_800, 3_600, 4_560, 4_620], [1_800, 1_800, 60, 60]),
    "a hole": ([60, 120, 7_320, 7_380, 7_440], [60, 60, 60, 60, 60]),
    "a row that is missing": ([1_800, 3_600, 7_200, 9_000], [1_800, 1_800, 1_800, 1_800]),
    "a last row after a hole": ([60, 120, 7_320], [60, 60, 60]),
    "two rows": ([60, 120], [60, 60]),
    "one row, which tells nothing of its width": ([60], [0]),
    "no row": ([], []),
    "rows further apart than a week": ([0, 1_000_000], [0, 0]),
}


@pytest.mark.parametrize(("times", "widths"), WIDTHS.values(), ids=WIDTHS)
def test_the_width_of_a_row_follows_from_the_distances(times: list[int], widths: list[int]) -> None:
    assert record_rows.widths_of(times, is_named_by_end=True) == widths


def test_rows_that_are_named_by_their_beginning_reach_to_the_next_one() -> None:
    widths = record_rows.widths_of([0, 60, 120, 1_920, 3_720], is_named_by_end=False)

    assert widths == [60, 60, 1_800, 1_800, 1_800]


def test_a_row_of_pve_is_named_by_the_end_of_its_span() -> None:
    told = records.read_node_records(rows(60, 120, cpu=0.5))

    assert told.starts_epoch == (AT, AT + 60)
    assert told.widths_seconds == (60, 60)


def test_a_row_of_pbs_is_named_by_the_beginning_of_its_span() -> None:
    told = records.read_datastore_records(rows(60, 120, used=5, total=9))

    assert told.starts_epoch == (AT + 60, AT + 120)


def test_rows_come_in_order_whatever_that_of_the_answer_is() -> None:
    told = records.read_node_records([*rows(120, cpu=0.2), *rows(60, cpu=0.1), *rows(180, cpu=0.3)])

    assert told.series["cpu_ratio"] == (0.1, 0.2, 0.3)


def test_a_row_that_has_only_a_time_is_a_gap() -> None:
    told = records.read_node_records([*rows(60, cpu=0.1), *rows(120), *rows(180, cpu=0.3)])

    assert told.series == {"cpu_ratio": (0.1, None, 0.3)}


def test_a_recorded_node_of_pve_9_is_read() -> None:
    told = records.read_node_records(recorded("pulse-rrd/pve9_node_rrddata.json"))

    assert told.starts_epoch[0] == 1_785_168_360
    assert {name: values[0] for name, values in told.series.items()} == {
        "cpu_ratio": 0.185322399620351,
        "io_wait_ratio": 0.000552583403434387,
        "load_1": 0.776666666666667,
        "memory_used_bytes": 6_724_851_029.33333,
        "memory_total_bytes": 16_535_748_608,
        "swap_used_bytes": 1_229_058_048,
        "swap_total_bytes": 4_294_963_200,
        "disk_used_bytes": 9_164_816_384,
        "disk_total_bytes": 14_370_996_224,
        "network_in_bytes_per_second": 75_773.9833333333,
        "network_out_bytes_per_second": 249_650.6,
        "arc_bytes": 1_610_934_106.66667,
        "pressure_cpu_some_percent": 1.99333333333333,
        "pressure_io_some_percent": 0,
        "pressure_io_full_percent": 0,
        "pressure_memory_some_percent": 0,
        "pressure_memory_full_percent": 0,
    }


def test_a_recorded_machine_of_pve_9_has_rows_of_two_widths() -> None:
    told = records.read_machine_records(recorded("pulse-rrd/pve9_qemu_rrddata.json"))

    assert set(told.widths_seconds) >= {21_600}
    assert told.series["host_memory_bytes"][0] == 1_466_588_109.50233


def test_a_machine_tells_nothing_of_its_disk() -> None:
    told = records.read_machine_records(rows(60, 120, cpu=0.5, disk=0, maxdisk=9))

    assert set(told.series) == {"cpu_ratio"}


def test_a_machine_that_did_not_run_tells_only_how_large_it_is() -> None:
    told = records.read_machine_records(recorded("pulse-rrd/pve8_guest_rrddata.json"))

    assert told.series["cpu_ratio"][:6] == (
        0.00369421533613487, 0.00296391898040815, 0.00303400941707342, 0.00320026348438257, 0.00298084572885927, None,
    )  # fmt: skip
    assert told.series["memory_total_bytes"][5] == 4_294_967_296


def test_a_container_whose_disk_could_not_be_read_has_none() -> None:
    told = records.read_container_records([*rows(60, disk=5, maxdisk=9), *rows(120, disk=0, maxdisk=9)])

    assert told.series["disk_used_bytes"] == (5, None)


def test_a_storage_that_is_not_there_has_no_size() -> None:
    assert records.read_storage_records(rows(60, 120, used=0, total=0)).series == {
        "disk_used_bytes": (0, 0),
    }


@pytest.mark.parametrize("value", [-1, 1e13, float("nan"), float("inf"), "x", None, [], True], ids=repr)
def test_a_rate_that_cannot_be_is_not_known(value: Any) -> None:
    assert records.read_node_records(rows(60, 120, netin=value)).series == {}


def test_more_rows_than_any_host_has_are_no_answer() -> None:
    with pytest.raises(BadAnswer, match="more than 5000 entries"):
        records.read_node_records([{"time": AT + number} for number in range(5_001)])


@pytest.mark.parametrize("data", [{}, None, "x", [1, 2], [{"time": "soon"}]])
def test_what_is_no_list_of_rows_is_no_answer(data: Any) -> None:
    with pytest.raises(BadAnswer):
        records.read_node_records(data)


# --- Samples ----------------------------------------------------------------------------------------------------------


def sample(identity: str, metric: str, value: Any, at: int = 0, kind: str = "gauge") -> dict[str, Any]:
    """Return one entry of an export."""
    return {"id": identity, "metric": metric, "timestamp": AT + at, "type": kind, "value": value}


def export(*entries: dict[str, Any]) -> dict[str, Any]:
    """Return the answer with these entries: they stand below a second `data`."""
    return {"data": list(entries)}


def test_samples_are_gathered_by_object_in_order() -> None:
    told = records.read_export(
        export(
            sample("qemu/100", "cpu_current", 0.2, 10),
            sample("qemu/100", "cpu_current", 0.1, 0),
            sample("qemu/100", "net_in", 7, 0, "derive"),
        )
    )

    assert told == (
        ExportedReading(
            kind="qemu",
            name="100",
            samples={"cpu_ratio": SamplesReading((AT, AT + 10), (0.1, 0.2))},
            totals={"network_in_bytes": SamplesReading((AT,), (7.0,))},
        ),
    )


def test_a_sample_that_is_told_twice_counts_once() -> None:
    told = records.read_export(export(*[sample("node/pve1", "cpu_current", 0.2)] * 2))

    assert told[0].samples["cpu_ratio"] == SamplesReading((AT,), (0.2,))


def test_a_storage_names_its_node() -> None:
    (told,) = records.read_export(export(sample("storage/pve1/local", "disk_total", 9)))

    assert (told.kind, told.node, told.name) == ("storage", "pve1", "local")


def test_a_storage_without_a_size_is_left_out() -> None:
    assert (
        records.read_export(
            export(sample("storage/pve1/nas", "disk_total", 0), sample("storage/pve1/nas", "disk_used", 0))
        )
        == ()
    )


def test_samples_of_a_datastore_have_the_same_whole() -> None:
    (told,) = records.read_export(
        export(
            sample("datastore/main", "disk_total", 10),
            sample("datastore/main", "disk_used", 5),
            sample("datastore/main", "disk_available", 4),
        )
    )

    assert told.samples == {
        "disk_total_bytes": SamplesReading((AT,), (9,)),
        "disk_used_bytes": SamplesReading((AT,), (5,)),
    }


def test_what_is_inside_of_a_datastore_is_left_out() -> None:
    told = records.read_export(
        export(
            sample("host", "cpu_current", 0.1),
            sample("datastore/main", "disk_total", 9),
            sample("datastore/main/s3", "disk_total", 9),
        )
    )

    assert [(one.kind, one.name) for one in told] == [("host", ""), ("datastore", "main")]


def test_a_total_that_says_it_is_a_gauge_is_not_taken_for_one() -> None:
    (told,) = records.read_export(
        export(sample("node/pve1", "net_in", 9), sample("node/pve1", "cpu_current", 0))
    )

    assert told.totals == {}
    assert set(told.samples) == {"cpu_ratio"}


@pytest.mark.parametrize("data", [[], None, {"data": None}, {"rows": []}, export({"id": 5})])
def test_what_holds_no_samples_is_no_answer(data: Any) -> None:
    with pytest.raises(BadAnswer):
        records.read_export(data)


def test_an_export_of_nothing_new_is_empty() -> None:
    assert records.read_export({"data": []}) == ()


# --- Rows as Proxmox itself writes them -------------------------------------------------------------------------------

READERS = {
    "node": records.read_node_records,
    "machine": records.read_machine_records,
    "container": records.read_container_records,
    "storage": records.read_storage_records,
    "mail node": records.read_mail_node_records,
    "server": records.read_server_records,
}
RECORDED = {
    "node": "pulse-rrd/pve9_node_rrddata.json",
    "machine": "pulse-rrd/pve9_qemu_rrddata.json",
    "container": "pulse-rrd/pve8_guest_rrddata.json",
}


def body_of(rows: object) -> bytes:
    """Return an answer as Proxmox writes it."""
    return json.dumps({"data": rows}, separators=(",", ":")).encode()


def test_a_call_for_records_decodes_what_proxmox_writes_without_dictionaries() -> None:
    calls = (
        records.NODE, records.MACHINE, records.CONTAINER, records.STORAGE, records.MAIL_NODE, records.SERVER, records.DATASTORE,
    )  # fmt: skip
    body = body_of(rows(60, 120, cpu=0.5, used=7, total=9))

    for call in calls:
        assert call.plain is not None
        told = call.plain(body)
        assert isinstance(told, list)
        assert len(told) == 2
        assert not isinstance(told[0], dict)


def test_rows_that_are_read_from_the_bytes_are_columns_too() -> None:
    reader = records.read_container_records
    told = [*rows(120, cpu=0.25, mem=3), *rows(60, cpu=1, disk=0, maxdisk=9, name="web"), *rows(180)]

    plain = reader.plain(body_of(told))

    assert plain is not None
    reading = reader(plain)
    assert reading.starts_epoch == (AT, AT + 60, AT + 120)
    assert reading.widths_seconds == (60, 60, 60)
    assert reading.series == {
        "cpu_ratio": (1.0, 0.25, None),
        "memory_used_bytes": (None, 3.0, None),
        "disk_total_bytes": (9.0, None, None),
    }


@pytest.mark.parametrize("kind", RECORDED)
def test_a_recorded_answer_is_read_alike_from_the_bytes_and_leniently(kind: str) -> None:
    told, reader = recorded(RECORDED[kind]), READERS[kind]

    plain = reader.plain(body_of(told))

    assert plain is not None
    assert reader(plain) == reader(told)


@pytest.mark.parametrize(
    "change",
    [
        {"time": "1785168060"}, {"time": 0}, {"time": 1.5}, {"time": None}, {"cpu": "0.5"}, {"cpu": -0.1}, {"cpu": 1_001},
        {"netin": 1e13}, {"mem": 2**70}, {"mem": [1]}, {"cpu": True}, {"memhost": {"a": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_row_that_is_unusual_leaves_the_answer_to_the_lenient_reader(change: dict[str, Any]) -> None:
    body = body_of([*rows(60, cpu=0.5), {**rows(120, cpu=0.5)[0], **change}])

    assert records.read_machine_records.plain(body) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"data":null}', b'{"data":[1]}', b'{"data":[{"time":60,"cpu":NaN}]}']
)
def test_what_is_no_list_of_rows_is_left_to_the_lenient_reader(body: bytes) -> None:
    assert records.read_node_records.plain(body) is None


def test_rows_of_the_same_time_count_once_whichever_way_they_are_read() -> None:
    told = [*rows(60, cpu=0.1), *rows(120, cpu=0.2), *rows(60, cpu=0.3)]
    reader = records.read_node_records

    plain = reader.plain(body_of(told))

    assert reader(plain).series == reader(told).series == {"cpu_ratio": (0.3, 0.2)}


def test_more_rows_from_the_bytes_than_any_host_has_are_no_answer() -> None:
    reader = records.read_node_records
    plain = reader.plain(body_of([{"time": AT + number} for number in range(5_001)]))

    with pytest.raises(BadAnswer, match="more than 5000 entries"):
        reader(plain)


@pytest.mark.slow
def test_mutated_rows_are_read_alike_or_left_to_the_lenient_reader() -> None:
    chance = random.Random("records")
    originals = [
        *rows(60, 120, 180, cpu=0.5, mem=7, netin=3, maxmem=9),
        *rows(240),
        *rows(300, disk=5, maxdisk=9),
    ]
    reader, plainly = records.read_container_records, 0

    for _ in range(2_000):
        told = json.loads(body_of(mutated(originals, chance)))["data"]
        plain = reader.plain(body_of(told))
        if plain is not None:
            plainly += 1
            assert outcome(reader, plain) == outcome(reader, told)

    assert plainly > 50  # else nothing was compared


def outcome(reader: record_rows.RowsReader, data: object) -> object:
    """Return a reading, or the name of the error that it is."""
    try:
        return reader(data)
    except BadAnswer as error:
        return type(error).__name__

"""Series as text: what the parsers of Prometheus' own library read in it, and how long it takes for ten thousand guests."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from monitoring.exporting.catalogue import SERIES, Book
from monitoring.exporting.exposition import Family, escaped, open_metrics_of, spelled, text_of
from monitoring.exporting.guest_series import add_guests
from monitoring.figures.guest_memory import GuestMemory
from monitoring.figures.guests import GuestFigures
from monitoring.figures.rates import Rates, Sample
from nodes.proxmox.readings.guests import PressureReading


def one(label, value=1):
    family = Family("pulse_guest_info", "gauge", "What it is.")
    family.add(spelled({"name": label}), value)
    return family


def test_a_family_is_told_with_its_meaning_and_its_kind():
    family = Family("pulse_guest_cpus", "gauge", "CPUs of a guest.")
    family.add(spelled({"instance": "pve-0", "vmid": "100"}), 4)
    family.extend(['vmid="101"', 'vmid="102"'], [0.5, None])

    assert text_of([family]) == (
        b"# HELP pulse_guest_cpus CPUs of a guest.\n"
        b"# TYPE pulse_guest_cpus gauge\n"
        b'pulse_guest_cpus{instance="pve-0",vmid="100"} 4\n'
        b'pulse_guest_cpus{vmid="101"} 0.5\n'
    )


def test_a_sample_without_labels_has_no_braces():
    family = Family("process_open_fds", "gauge", "Open files.")
    family.add("", 12)
    family.add("", None)

    assert family.pieces == ["process_open_fds 12\n"]


def test_a_counter_of_open_metrics_has_its_ending_at_the_sample_alone():
    family = Family("pulse_instance_calls_total", "counter", "Calls.")
    family.add('instance="pve-0"', 3)

    assert open_metrics_of([family]) == (
        b"# HELP pulse_instance_calls Calls.\n"
        b"# TYPE pulse_instance_calls counter\n"
        b'pulse_instance_calls_total{instance="pve-0"} 3\n'
        b"# EOF\n"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web-01", "web-01"),
        ('a"b', r"a\"b"),
        ("a\\b", r"a\\b"),
        ("a\nb", r"a\nb"),
        ('x"} 1\npulse_up 0 #', r"x\"} 1\npulse_up 0 #"),
        ("bös", "bös"),
        ("a\x00b\rc\td", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}d"),
        ("\ud800", r"\\ud800"),
        ("", ""),
    ],
)
def test_a_value_is_escaped_whoever_has_chosen_it(name, expected):
    assert escaped(name) == expected


@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_value_is_one_label_of_one_sample(name):
    for write, read in ((text_of, text_families), (open_metrics_of, open_metrics_families)):
        text = write([one(name)]).decode()

        (family,) = read(text)
        (sample,) = family.samples
        assert sample.labels.keys() == {"name"}
        assert sample.value == 1
        if name.isprintable():
            assert sample.labels["name"] == name


def test_names_that_differ_are_told_apart_even_where_they_cannot_be_encoded():
    assert escaped("\ud800") != escaped("\ud801")


def test_a_name_that_is_in_no_catalogue_is_refused():
    with pytest.raises(KeyError):
        Book().add("pulse_unheard_of", "", 1)


def test_families_come_in_the_order_of_the_catalogue_and_empty_ones_not_at_all():
    book = Book()
    book.add("pulse_guest_up", 'vmid="100"', 1)
    book.add("pulse_build_info", 'version="1"', 1)
    book.add("pulse_node_up", 'node="a"', None)

    assert [family.name for family in book.families()] == ["pulse_build_info", "pulse_guest_up"]


def test_only_counters_end_in_total():
    assert [name for name in SERIES if name.endswith("_total")] == [
        "process_cpu_seconds_total",
        "pulse_instance_polls_total",
        "pulse_instance_calls_total",
        "pulse_instance_failed_calls_total",
        "pulse_guest_network_in_bytes_total",
        "pulse_guest_network_out_bytes_total",
        "pulse_guest_disk_read_bytes_total",
        "pulse_guest_disk_write_bytes_total",
    ]


def many_guests(count):
    """Guests of which everything is known, with as many different values."""
    return tuple(
        GuestFigures(
            vmid=100 + number,
            kind="qemu",
            node=f"pve-{number % 160:03}",
            status="running",
            name=f"guest-{number}",
            cpu_ratio=number / 10_007,
            cpu_count=4,
            uptime_seconds=number,
            memory=GuestMemory(number * 100_003, 2**33, "balloon", "high", ""),
            rates=Rates(number, number + 1, number + 2, number + 3),
            pressure=PressureReading(0.5, 0.25, number % 7 / 100, 0.0, 0.0, 0.0),
            backup_state="good",
            last_backup_epoch=1_767_225_600,
        )
        for number in range(count)
    )


def test_ten_thousand_guests_are_written_within_a_second_of_processor_time():
    """A third of that on a quiet machine (decision 0017); what grows faster than the number of guests takes many."""
    guests = many_guests(10_000)
    samples = {one.vmid: Sample(1.0, one.node, 1, (1, 2, 3, one.vmid)) for one in guests}

    def seconds():
        begun = time.thread_time()
        book = Book()
        add_guests(book, "pve-0", guests, samples, is_now=True)
        assert text_of(book.families()).count(b"\n") > 200_000
        return time.thread_time() - begun

    assert min(seconds() for _ in range(3)) < 1.0

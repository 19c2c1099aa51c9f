"""The messages of remote write, as another library reads them."""

from __future__ import annotations

import cramjam
import pytest

from monitoring.exporting.remote import snappy
from monitoring.exporting.remote.messages import Packer, labels, series_head, stale, varint
from tests.monitoring.remote.reading import decoded


def message(named: dict[str, str], samples: bytes) -> bytes:
    """Return a request with one series."""
    body = labels(named) + samples
    return series_head(len(body)) + body


@pytest.mark.parametrize(("number", "expected"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02")])
def test_numbers_are_written_seven_bits_a_byte(number, expected):
    assert varint(number).hex() == expected


def test_labels_are_sorted_by_name_and_one_without_a_value_is_left_out():
    series = message({"vmid": "101", "__name__": "pulse_guest_cpu_ratio", "node": "", "kind": "qemu"}, b"")

    assert decoded(series) == [
        ((("__name__", "pulse_guest_cpu_ratio"), ("kind", "qemu"), ("vmid", "101")), [])
    ]


def test_samples_of_many_series_have_their_instants_in_milliseconds():
    rows = list(Packer([1767268800, 1767268810.5]).rows([[0.5, 0.0], [1e300, -3.0]]))

    assert [decoded(message({"a": "b"}, row))[0][1] for row in rows] == [
        [(1767268800000, 0.5), (1767268810500, 1e300)],
        [(1767268800000, 0.0), (1767268810500, -3.0)],
    ]


def test_a_series_with_gaps_ends_at_each_of_them():
    packer = Packer([10, 20, 30, 40, 50])

    samples, count = packer.with_gaps((None, 50.0, None, None, 25.0), 0.01, was_known=True)

    assert decoded(message({"a": "b"}, samples))[0][1] == [
        (10000, "stale"),
        (20000, 0.5),
        (30000, "stale"),
        (50000, 0.25),
    ]
    assert count == 4


def test_a_series_of_which_nothing_is_known_has_no_samples():
    assert Packer([10, 20]).with_gaps((None, None), 1, was_known=False) == (b"", 0)


def test_the_marker_of_an_end_keeps_its_bits():
    assert stale(1).hex() == "120c09" + "020000000000f07f" + "10e807"


@pytest.mark.parametrize("length", [4095, 4096, 70_000])
def test_a_series_may_be_of_any_length(length):
    value = "x" * length

    assert decoded(message({"name": value}, stale(1))) == [((("name", value),), [(1000, "stale")])]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"} 1\npulse_up{', '"} 1\npulse_up{'),
        ("Größe \N{CJK UNIFIED IDEOGRAPH-4E2D}", "Größe \N{CJK UNIFIED IDEOGRAPH-4E2D}"),
        ("a\x00b\x1bc", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        ("\udcff", "\\udcff"),
    ],
    ids=["what would end a line of text", "letters of the world", "control characters", "half a character"],
)
def test_names_that_a_host_has_chosen_arrive_as_values_and_nothing_else(value, expected):
    assert decoded(message({"storage": value}, b"")) == [((("storage", expected),), [])]


@pytest.mark.parametrize("size", [0, 1, 65_536, 200_000])
def test_a_body_is_one_block_of_snappy_with_and_without_the_library(size):
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]

    assert bytes(cramjam.snappy.decompress_raw(snappy.compressed(body))) == body
    assert bytes(cramjam.snappy.decompress_raw(snappy.literal(body))) == body


def test_without_the_library_a_body_is_sent_uncompressed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cramjam", None)

    assert snappy.compressed(b"abc") == b"\x03\x08abc"

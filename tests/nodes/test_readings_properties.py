from __future__ import annotations

import pytest

from nodes.proxmox import properties

KIB, MIB, GIB, TIB = 1024, 1048576, 1073741824, 1099511627776


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            "local-lvm:vm-100-disk-0,backup=0,size=32G",
            {"volume": "local-lvm:vm-100-disk-0", "backup": "0", "size": "32G"},
        ),
        ("file=nas:100/vm.qcow2, size = 4G", {"file": "nas:100/vm.qcow2", "size": "4G"}),
        ("a,b,size=1,size=2", {"volume": "a", "size": "1"}),
        ("link=a=b", {"link": "a=b"}),
        (1, {"volume": "1"}),
        ("", {}),
        (None, {}),
        ([1], {}),
    ],
)
def test_a_property_string_is_read_as_pairs(value: object, expected: dict[str, str]) -> None:
    assert properties.properties(value, first="volume") == expected


def test_a_part_without_a_key_is_dropped_where_no_key_is_meant() -> None:
    assert properties.properties("abc,size=1G") == {"size": "1G"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("32G", 32 * GIB),
        ("1029M", 1029 * MIB),
        ("528K", 528 * KIB),
        ("4T", 4 * TIB),
        ("1P", 1024 * TIB),
        ("1.5G", 1536 * MIB),
        ("1.05GB", 1127428915),
        ("3.20 GiB", 3435973836),
        ("512B", 512),
        ("4096", 4096),
        (4096, 4096),
        ("9999999999999T", None),
        ("-1G", None),
        ("G", None),
        ("1X", None),
        ("1 G G", None),
        ("٣G", None),
        (None, None),
    ],
)
def test_a_size_with_a_unit_is_read_in_bytes(value: object, expected: int | None) -> None:
    assert properties.unit_size(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("101,100;100 102", (100, 101, 102)),
        (100, (100,)),
        ("0,abc,-5,1000000000", ()),
        (None, ()),
    ],
)
def test_a_list_of_vmids_is_sorted_and_holds_only_possible_ones(
    value: object, expected: tuple[int, ...]
) -> None:
    assert properties.vmids(value) == expected


def test_a_list_of_names_is_sorted_and_tells_each_once() -> None:
    assert properties.names("pve2,pve1, pve2") == ("pve1", "pve2")


def test_a_name_in_a_list_is_bounded() -> None:
    assert properties.names("x" * 500) == ("x" * 128,)


def test_a_long_list_of_vmids_is_cut() -> None:
    assert len(properties.vmids(",".join(str(number) for number in range(100, 30_000)))) == 20_000


def test_tags_longer_than_their_column_do_not_stay_in_memory_whole() -> None:
    properties._tags.cache_clear()

    assert properties.tags("a;" + "b" * 100_000) == ("a", "b" * 128)
    assert properties._tags.cache_info().currsize == 1
    assert properties.tags("a;" + "b" * 2000) == ("a", "b" * 128)
    assert properties._tags.cache_info().currsize == 1

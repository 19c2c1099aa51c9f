"""By which names and labels series are found outside of Pulse."""

from __future__ import annotations

import re

import pytest

from monitoring.exporting import labels
from monitoring.exporting.naming import TOLD, series_of
from monitoring.history import metrics
from monitoring.history.metrics import BY_CODE, METRICS, Kind

NAME = re.compile(r"pulse_[a-z]+(?:_[a-z0-9]+)+")
BASE_UNITS = (
    "_bytes",
    "_ratio",
    "_per_second",
    "_seconds",
    "_messages",
    "_today",
    "load1",
    "load5",
    "load15",
)


def test_a_guest_is_known_without_its_node_and_its_name():
    assert labels.guest_labels("pve-0", 100, "qemu") == {"instance": "pve-0", "vmid": "100", "kind": "qemu"}


def test_a_shared_storage_has_no_node():
    assert labels.storage_labels("pve-0", "nas", "") == {"instance": "pve-0", "storage": "nas"}
    assert labels.storage_labels("pve-0", "local", "pve1") == {
        "instance": "pve-0",
        "storage": "local",
        "node": "pve1",
    }


def test_a_pool_of_a_backup_server_has_no_node():
    assert labels.pool_labels("pbs-0", "", "tank") == {"instance": "pbs-0", "pool": "tank"}


def test_every_metric_that_is_kept_has_a_name_in_base_units():
    assert set(TOLD) == set(BY_CODE.values())
    for kind, kept in METRICS.items():
        for metric in kept:
            name = series_of(kind, metric).name
            assert NAME.fullmatch(name), name
            assert name.endswith(BASE_UNITS), name


@pytest.mark.parametrize(
    ("kind", "metric", "expected"),
    [
        (Kind.GUEST, metrics.CPU, ("pulse_guest_cpu_ratio", 0.01, {})),
        (Kind.NODE, metrics.LOAD_5, ("pulse_node_load5", 1, {})),
        (
            Kind.NODE,
            metrics.PRESSURE_IO_FULL,
            ("pulse_node_pressure_ratio", 0.01, {"resource": "io", "share": "full"}),
        ),
        (Kind.INSTANCE, metrics.MEMORY_USED, ("pulse_server_memory_used_bytes", 1, {})),
        (Kind.MAIL_NODE, metrics.MAIL_HELD, ("pulse_mail_node_queue_messages", 1, {"queue": "hold"})),
    ],
    ids=str,
)
def test_a_metric_is_told_under_a_name_of_its_kind(kind, metric, expected):
    assert tuple(series_of(kind, metric)) == expected


def test_no_two_metrics_of_a_kind_share_a_series():
    for kind, kept in METRICS.items():
        told = [(series_of(kind, metric).name, str(series_of(kind, metric).labels)) for metric in kept]
        assert len(set(told)) == len(kept)


def test_a_metric_that_a_kind_does_not_have_has_no_name():
    with pytest.raises(KeyError):
        series_of(Kind.STORAGE, metrics.CPU)

"""Hosts that answer a probe without a network: for tests that care about what is stored, not about Proxmox."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock, create_autospec

import pytest

from nodes.probe import Certificate, Probe, certificate_of, probe
from nodes.proxmox.errors import Refused
from nodes.proxmox.pve import cluster_resources, node_certificates
from nodes.proxmox.readings.live import ClusterReading, MemberReading, NodeCertificateReading

FINGERPRINT = "ab" * 32


def found(kind: str = "pve", **facts: Any) -> Probe:
    """What a probe of one single host finds."""
    defaults: dict[str, Any] = {
        "kind": kind,
        "version": "9.2.1" if kind == "pve" else "4.2.0",
        "node_count": 1,
        "is_cluster": False,
        "cluster": ClusterReading(members=(MemberReading(name="pve1", is_local=True),))
        if kind == "pve"
        else None,
        "datastore_count": 0 if kind == "pve" else 2,
        "latency_ms": 12,
        "fingerprint": FINGERPRINT,
        "server_name": "pve1" if kind == "pve" else "backup1",
    }
    return Probe(**(defaults | facts))


def found_cluster(name: str = "lab-cluster", *, first: int = 10, members: int = 2, **facts: Any) -> Probe:
    """What a probe of a cluster member finds; members `pve1`, ... at 192.0.2.10 and upwards, all online."""
    reading = ClusterReading(
        name=name,
        is_quorate=True,
        members=tuple(
            MemberReading(name=f"pve{index + 1}", address=f"192.0.2.{first + index}", is_online=True)
            for index in range(members)
        ),
    )
    return found(node_count=members, is_cluster=members > 1, cluster=reading, **facts)


#: The certificate of the second member of a cluster whose first has FINGERPRINT.
SECOND_FINGERPRINT = "cd" * 32
#: What a configured instance has of that cluster: it was told by the first member, over its own connection.
TOLD = {
    "is_cluster": True,
    "cluster_name": "lab-cluster",
    "told_nodes": {"pve1": [FINGERPRINT, "192.0.2.10"], "pve2": [SECOND_FINGERPRINT, "192.0.2.11"]},
    "shown_fingerprint": FINGERPRINT,
}


def found_second_member(**facts: Any) -> Probe:
    """What a probe of its second member finds, which shows the certificate that the first one lists for it."""
    nodes = (
        NodeCertificateReading("pve1", FINGERPRINT),
        NodeCertificateReading("pve2", SECOND_FINGERPRINT),
    )
    return found_cluster(**({"fingerprint": SECOND_FINGERPRINT, "nodes": nodes} | facts))


@pytest.fixture
def host_probe(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The probe of every host: refused until a test sets `return_value` and clears `side_effect`."""
    mock: Mock = create_autospec(probe, side_effect=Refused("192.0.2.10:8006 refused the connection"))
    monkeypatch.setattr("nodes.probe.probe", mock)
    monkeypatch.setattr(
        "nodes.proxmox.pve.node_certificates", create_autospec(node_certificates, return_value=())
    )
    # Nobody looks at the guests of a host but to tell it from one that is configured.
    monkeypatch.setattr(
        "nodes.proxmox.pve.cluster_resources",
        create_autospec(cluster_resources, side_effect=Refused("refused")),
    )
    return mock


def answers(mock: Mock, result: Probe) -> None:
    """Make every host answer a probe with this."""
    mock.side_effect = None
    mock.return_value = result


@pytest.fixture
def shown_certificate(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The certificate that every host shows."""
    mock: Mock = create_autospec(certificate_of, return_value=Certificate(fingerprint=FINGERPRINT))
    monkeypatch.setattr("nodes.probe.certificate_of", mock)
    return mock

"""Nodes as the state sends them; pure. Source: state.md 2.1 of the contract."""

from __future__ import annotations

import msgspec

from monitoring.figures.nodes import NodeFigures
from monitoring.wire.ids import Label
from monitoring.wire.shapes import CpuInfo, NodeShape
from monitoring.wire.usage import usage
from pulse.lib.instants import instant_seen


def node_shape(node: NodeFigures, label: Label) -> NodeShape:
    """Return a node; what is not known is 0, and `cpuReason` says why of one that is online."""
    root = node.root
    return NodeShape(
        id=label.node_id(node.name),
        name=node.name,
        instance=label.name,
        status=node.status,
        type="node",
        cpu=node.cpu_ratio or 0.0,
        cpuReason=node.cpu_reason,
        memory=usage(node.memory_used_bytes, node.memory_total_bytes),
        disk=usage(root.used_bytes, root.total_bytes, root.free_bytes),
        uptime=node.uptime_seconds or 0,
        loadAverage=node.load_average,
        kernelVersion=node.kernel_version,
        pveVersion=node.pve_version,
        cpuInfo=CpuInfo(node.cpu_model, node.cpu_count or 0, node.cpu_sockets or 0, node.cpu_mhz),
        lastSeen=instant_seen(node.seen_epoch),
        connectionHealth=node.health,
        memorySource=node.memory_source,
        arcBytes=node.arc_bytes,
        stale=node.is_stale,
    )


def refused_shape(node: NodeFigures, label: Label) -> NodeShape:
    """Return what stands for a PVE that refuses the login for good, under the name of the instance (state.md 6)."""
    return msgspec.structs.replace(node_shape(node, label), id=label.refused_id, name=label.name)

"""The ids of the contract, which hold the name of the instance and of the node; pure. Source: state.md 4.1 and 4.3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

NO_IDS: Mapping[str, str] = {}


class Label(NamedTuple):
    """What an instance is called: all that the wire needs of it beside its figures.

    `storage_ids` are the ids that were claimed for its storages, under "<name>/<node, empty when shared>", `node_ids` those for its
    nodes, with which the ids of their guests begin: names that spell the id of something else keep apart (nodes.ids).
    """

    name: str
    host: str = ""
    storage_ids: Mapping[str, str] = NO_IDS
    node_ids: Mapping[str, str] = NO_IDS

    def node_id(self, node: str) -> str:
        """Return the id that was claimed for a node, else the one that the contract gives it."""
        return self.node_ids.get(node) or f"{self.name}-{node}"

    def guest_id(self, node: str, vmid: int) -> str:
        """Return the id of a guest, which changes when it moves."""
        return f"{self.node_ids.get(node) or f'{self.name}-{node}'}-{vmid}"

    def storage_id(self, storage: str, node: str) -> str:
        """Return the id that was claimed for a storage, else the one that the contract gives it; `node` "" for a shared one."""
        claimed = self.storage_ids.get(f"{storage}/{node}")
        return claimed or (f"{self.name}-{node}-{storage}" if node else f"shared-{storage}")

    @property
    def refused_id(self) -> str:
        """The id of what stands for a PVE that refuses the login for good."""
        return f"{self.name}-failed"

    @property
    def server_id(self) -> str:
        """The id of a backup server."""
        return f"pbs-{self.name}"

    @property
    def gateway_id(self) -> str:
        """The id of a mail gateway."""
        return f"pmg-{self.name}"

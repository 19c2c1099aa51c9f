"""A mail gateway as a person configures it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.pmg_model import AGES, MailGateway, build_mail_gateway
from tests.fake_proxmox.server import FakeServer
from tests.fake_proxmox.sites import FakeSite

if TYPE_CHECKING:
    from tests.fake_proxmox.building import PmgSpec
    from tests.fake_proxmox.estate import FakeEstate


class PmgSite(FakeSite):
    """A mail gateway, alone or a cluster of them."""

    model: MailGateway

    def __init__(self, estate: FakeEstate, spec: PmgSpec, seed: int) -> None:
        model = build_mail_gateway(spec, seed=seed, at=estate.clock.now())
        super().__init__(estate, model, seed)
        for node in model.nodes.values():
            self.servers.append(FakeServer(self, node.name, node.address, 0))

    def version_of(self, node: str) -> tuple[int, int]:
        """Return major and minor of the release."""
        del node
        return self.model.version

    def set_queue(self, queue: str, counts: list[int], domain: str = "example.org", node: str = "") -> None:
        """A queue (deferred, active, incoming, hold) holds so many messages for a domain, by age from 5m to 1280m+; [] takes it out."""
        with self.changing():
            domains = self._node(node).queues[queue]
            if counts:
                domains[domain] = [*counts, *[0] * (len(AGES) - len(counts))]
            else:
                domains.pop(domain, None)

    def set_mail(self, **fields: Any) -> None:
        """Fix figures of the statistics, in wire names."""
        with self.changing():
            self.model.fixed.update(fields)

    def set_node_metric(self, node: str, **fields: Any) -> None:
        """Fix figures of a node's status, in wire names: insync, cpu, memory, ..."""
        with self.changing():
            self._node(node).fixed.update(fields)

    def cut_off_node(self, node: str, reason: str = "500 Can't connect to host (Connection refused)") -> None:
        """The others cannot reach a node and say why; an empty reason ends it."""
        with self.changing():
            self._node(node).connection_error = reason

    def _node(self, name: str) -> Any:
        return self.model.nodes[name] if name else next(iter(self.model.nodes.values()))


MAIL_VERBS = ("set_queue", "set_mail", "cut_off_node")

"""A fake Proxmox for tests, benchmarks and the demo: see README.md."""

from __future__ import annotations

from tests.fake_proxmox.building import PbsSpec, PmgSpec, PveSpec
from tests.fake_proxmox.clock import ManualClock, RealClock
from tests.fake_proxmox.estate import FakeEstate
from tests.fake_proxmox.estates import demo
from tests.fake_proxmox.process import FakeProcess
from tests.fake_proxmox.server import FakeServer
from tests.fake_proxmox.site_pbs import PbsSite
from tests.fake_proxmox.site_pmg import PmgSite
from tests.fake_proxmox.sites import FakeSite, PveSite


def demo_estate(**options: object) -> FakeEstate:
    """Return the estate of `make demo`, not started; options as of FakeEstate."""
    return FakeEstate(*demo(), **options)  # type: ignore[arg-type]


__all__ = [
    "FakeEstate",
    "FakeProcess",
    "FakeServer",
    "FakeSite",
    "ManualClock",
    "PbsSite",
    "PbsSpec",
    "PmgSite",
    "PmgSpec",
    "PveSite",
    "PveSpec",
    "RealClock",
    "demo_estate",
]

"""Fixtures for tests that need a Proxmox; in virtual time, and without the delays of a 401 and of a dead agent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fake_proxmox.building import PbsSpec, PmgSpec, PveSpec, Spec
from tests.fake_proxmox.clock import ManualClock
from tests.fake_proxmox.estate import FakeEstate
from tests.fake_proxmox.server import FakeServer
from tests.fake_proxmox.sites import PveSite


def virtual_estate(*specs: Spec, seed: int = 1) -> FakeEstate:
    """Return an estate whose time stands still at noon and that fails without delay; not started."""
    return FakeEstate(
        *specs, seed=seed, clock=ManualClock(), unauthorized_delay_seconds=0, agent_delay_seconds=0
    )


@pytest.fixture
def fake_pve() -> Iterator[FakeServer]:
    """One PVE 9.2 host `pve` with guests 100 to 113 of a home lab; 103 is stopped."""
    with virtual_estate(PveSpec(name="pve", guests=14, is_home_lab=True)) as estate:
        yield estate.servers[0]


@pytest.fixture
def fake_cluster() -> Iterator[PveSite]:
    """A cluster `production` of PVE 9.2 hosts `pve-01` to `pve-03` with 12 guests from 100 on."""
    with virtual_estate(PveSpec(name="production", nodes=3, guests=12)) as estate:
        yield estate.site("production")


@pytest.fixture
def fake_pbs() -> Iterator[FakeServer]:
    """A PBS 4.2 `vault` with the datastores main, archive and offsite."""
    with virtual_estate(PbsSpec(name="vault")) as estate:
        yield estate.servers[0]


@pytest.fixture
def fake_pmg() -> Iterator[FakeServer]:
    """A PMG 9.1 `mail`, alone; only tickets open it."""
    with virtual_estate(PmgSpec(name="mail")) as estate:
        yield estate.servers[0]

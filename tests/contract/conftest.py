"""An estate of one cluster, one backup server and one mail gateway, of which everything is known."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest

from nodes import probe
from nodes.proxmox.errors import Refused
from tests.monitoring.collected import judge, turn, with_token
from tests.monitoring.conftest import Watched


@dataclass
class Described:
    """The instances, and the ids of some resources."""

    pve: Watched
    pbs: Watched
    pmg: Watched

    def identity(self, collection: str) -> str:
        """The id of the first resource of a collection."""
        owner = {"pbs": self.pbs, "pmg": self.pmg}.get(collection, self.pve)
        return owner.shown(collection)[0]["id"]


@pytest.fixture
def only_the_estate(monkeypatch):
    """No address but those of this machine is looked up, called or tried, whatever a test asks for."""
    look_up = socket.getaddrinfo

    def local_look_up(host, *args, **options):
        if host != "localhost" and not str(host).startswith("127."):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *args, **options)

    def local_probe(target, **options):
        if "//127." not in target.url:
            raise Refused("the connection was refused")
        return real_probe(target, **options)

    def local_certificate(url, **options):
        if "//127." not in url:
            raise Refused("the connection was refused")
        return real_certificate(url, **options)

    real_probe, real_certificate = probe.probe, probe.certificate_of
    monkeypatch.setattr(socket, "getaddrinfo", local_look_up)
    monkeypatch.setattr(probe, "probe", local_probe)
    monkeypatch.setattr(probe, "certificate_of", local_certificate)


@pytest.fixture
def described_estate(db, fresh_store, only_the_estate, fake_cluster, fake_pbs, fake_pmg):
    """The estate, polled and collected, and Pulse ready as it is while polls are started."""
    fresh_store.show_life("tasks", seconds=600)
    estate = Described(
        with_token(Watched(fake_cluster), fake_cluster),
        Watched(fake_pbs, "pbs"),
        Watched(fake_pmg, "pmg", user=fake_pmg.user, password=fake_pmg.password),
    )
    for watched in (estate.pve, estate.pbs, estate.pmg):
        turn(watched, times=8)
    judge(estate.pve)
    estate.pve.poll(after=10)
    return estate

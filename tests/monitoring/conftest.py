"""Polling against the fake: a fresh store, short limits, and what a client would see."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from monitoring.feed.state import STATE
from monitoring.polling import polls
from monitoring.store import current
from monitoring.wire.fragments import FragmentKey
from nodes import connecting
from nodes.models import Instance
from tests.conftest import NOON
from tests.factories import make_instance


@pytest.fixture(autouse=True)
def own_store(fresh_store):
    """Nothing here may see what another test has left."""
    return fresh_store


@pytest.fixture
def short_limits(settings, monkeypatch):
    """Hosts that are silent are given up after a second, whole calls after one and a half."""
    settings.CONNECTION_TIMEOUT_SECONDS = 1
    monkeypatch.setattr(connecting, "DEADLINE_SECONDS", 1.5)


class Watched:
    """One configured instance, polled at chosen instants, and what is shown of it."""

    def __init__(self, server, kind="pve", **fields):
        self.server = server
        self.seconds = 0
        if "password" not in fields:
            fields = {"token_id": server.token_id, "token_value": server.token_value} | fields
        self.instance = make_instance(kind, **({"host": server.url} | fields))

    def poll(self, *, after=0, reconnects=False):
        """Let the host's clock and ours go on, then poll; `reconnects` as after the idle time that virtual time skips."""
        if reconnects:
            connecting.forget(self.instance.pk)
        if after:
            self.server.clock.advance(after)
            self.seconds += after
        return polls.poll(self.instance.pk, NOON + timedelta(seconds=self.seconds))

    def shown(self, collection):
        """The resources of a collection of this instance alone, as a client sees them."""
        fragment = current.store().fragments()[FragmentKey(self.instance.pk, "resources")]
        return [msgspec.json.decode(item.body) for item in fragment.items[collection]]

    def guests(self):
        """Virtual machines and containers by vmid."""
        return {one["vmid"]: one for one in self.shown("vms") + self.shown("containers")}

    def row(self):
        """The instance's row as it is now."""
        return Instance.objects.get(pk=self.instance.pk)


@pytest.fixture
def watch():
    """`watch(server)` configures the server as an instance."""
    return Watched


@pytest.fixture
def document():
    """`document()` is the whole state as a client sees it."""
    return lambda: msgspec.json.decode(STATE.current().body)

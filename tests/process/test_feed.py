"""The live feed of a whole process over real sockets: both protocols, who may open it, and from where (state.md 7)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import statistics
import time
from datetime import datetime

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.clients.apply import flattened
from tests.clients.delta import DeltaClient
from tests.clients.original import OriginalClient
from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.running import PulseProcess, until

TOKEN = "a-token-of-more-than-twenty-characters"
INTERVAL_SECONDS = 3

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("processes")]


@pytest.fixture(scope="module")
def estate():
    with FakeProcess("cluster") as estate:
        yield estate


@pytest.fixture(scope="module")
def pulse(estate, tmp_path_factory):
    """Pulse with a token, watching a cluster at the shortest interval."""
    data_dir = tmp_path_factory.mktemp("feed") / "data"
    variables = {
        "API_TOKEN": TOKEN,
        "PULSE_BIND": "127.0.0.1",
        "POLLING_INTERVAL": str(INTERVAL_SECONDS),
        "ALLOWED_ORIGINS": "https://panel.test",
        "CONNECTION_TIMEOUT": "4",
        "LOG_LEVEL": "debug",  # what is not told even now is told nowhere
    }
    with PulseProcess(data_dir, **variables) as pulse:
        pulse.healthy()
        add(pulse, estate.instances[0], name="production")
        until(lambda: len(guests(pulse.state(token=TOKEN))) > 40, seconds=20, what="the cluster is shown")
        yield pulse


def add(pulse: PulseProcess, told: dict, *, name: str) -> str:
    """Add a simulated instance under a name; return its id."""
    body = connection(told) | {"name": name}
    status, answer = pulse.request("POST", "/api/config/nodes", body, token=TOKEN)
    assert status == 201, answer
    listed = pulse.request("GET", "/api/config/nodes", token=TOKEN)[1]
    return next(row["id"] for row in listed if row["name"] == name)


def guests(state: dict) -> list:
    """All guests of a state."""
    return state["vms"] + state["containers"]


def instant(text: str) -> float:
    """Epoch seconds of an instant of the wire."""
    return datetime.fromisoformat(text).timestamp()


def url_of(pulse: PulseProcess) -> str:
    return f"ws://127.0.0.1:{pulse.port}/ws"


HEADERS = {"X-API-Token": TOKEN}


def polls(page):
    """When the polls were that the whole states are of, each once."""
    return sorted({instant(message["data"]["lastUpdate"]) for message in page.of("rawData")})


# --- Both protocols ----------------------------------------------------------------------------------------------


def test_a_client_of_the_original_protocol_gets_the_state_and_then_a_new_one_in_each_interval(pulse):
    async def watch():
        async with OriginalClient(url_of(pulse), headers=HEADERS) as page:
            await page.until(lambda: len(polls(page)) == 4, seconds=6 * INTERVAL_SECONDS)
            return page

    page = asyncio.run(watch())

    assert page.types()[:2] == ["welcome", "initialState"]
    assert not page.is_loading
    assert len(guests(page.state)) > 40
    assert page.state["connectionHealth"] == {"production": True}
    between = [later - earlier for earlier, later in itertools.pairwise(polls(page))]
    # The first comes with the first poll after the connection. What slow lanes have read goes out between two polls.
    assert all(seconds > INTERVAL_SECONDS / 2 for seconds in between), between


def test_every_state_is_of_a_poll_that_has_just_ended(pulse):
    async def watch():
        async with OriginalClient(url_of(pulse), headers=HEADERS) as page:
            ages = []
            for _ in range(5):
                told = await page.next_of("rawData", seconds=3 * INTERVAL_SECONDS)
                ages.append(time.time() - instant(told["data"]["lastUpdate"]))
            return ages

    ages = asyncio.run(watch())

    assert min(ages) >= -0.001
    # A clock of its own would send most of them just before a poll. One poll that is late is no matter.
    assert statistics.median(ages) < INTERVAL_SECONDS / 2, ages


@contextlib.contextmanager
def silent_instance(pulse, told):
    """An instance that takes connections and never says a word, beside the one that answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        number = add(pulse, dict(told) | {"url": url, "fingerprint": ""}, name="silent")
        yield
        assert pulse.request("DELETE", f"/api/config/nodes/{number}", token=TOKEN)[0] == 200


def test_an_instance_that_does_not_answer_keeps_nobody_waiting(pulse, estate):
    async def watch():
        async with OriginalClient(url_of(pulse), headers=HEADERS) as page:
            await page.until(
                lambda: page.state.get("connectionHealth", {}).get("silent") is False, seconds=10
            )
            ages = []
            for number in range(4):
                name = f"beside-silence-{number}"
                await asyncio.to_thread(
                    estate.call,
                    "rename_guest",
                    site=estate.instances[0]["name"],
                    vmid=100 + number,
                    name=name,
                )
                shown = await asyncio.to_thread(
                    until, lambda name=name: name_is_shown(pulse, name), seconds=10, what=name
                )
                await page.until(lambda name=name: name in names(page.state), seconds=2 * INTERVAL_SECONDS)
                ages.append(time.monotonic() - shown)
            return ages

    with silent_instance(pulse, estate.instances[0]):
        ages = asyncio.run(watch())

    assert statistics.median(ages) < 0.5, ages


def name_is_shown(pulse, name):
    """When the state was seen to have the name; 0 while it has not."""
    return time.monotonic() if name in names(pulse.state(token=TOKEN)) else 0.0


def names(state):
    """The names of all guests of a state."""
    return {guest["name"] for guest in guests(state)}


def test_the_initial_state_is_the_one_that_the_route_tells(pulse):
    async def watch():
        async with OriginalClient(url_of(pulse), headers=HEADERS) as page:
            await page.until(lambda: page.of("initialState"))
            return page.of("initialState")[0]["data"]

    told = asyncio.run(watch())
    asked = pulse.state(token=TOKEN)

    assert set(told) == set(asked)
    assert [one["id"] for one in guests(told)] == [one["id"] for one in guests(asked)]


def test_ping_and_request_data_are_answered_and_junk_is_not(pulse):
    async def watch():
        async with OriginalClient(url_of(pulse), headers=HEADERS) as page:
            await page.until(lambda: page.of("initialState"))
            for junk in ("no JSON", "[]", '{"type": "unknown"}', b"\xff\x00"):
                await page.send(junk)
            await page.send({"type": "ping"})
            await page.until(lambda: page.of("pong"))
            before = len(page.of("rawData"))
            await page.send({"type": "requestData"})
            await page.until(lambda: len(page.of("rawData")) > before, seconds=1.0)
            return page

    page = asyncio.run(watch())

    assert abs(page.of("pong")[0]["data"]["timestamp"] - time.time()) < 60
    assert page.close_codes == []


def test_a_delta_client_rebuilds_what_the_route_tells(pulse, estate):
    async def watch():
        async with DeltaClient(url_of(pulse), headers=HEADERS) as page:
            await page.until(lambda: len(page.of("changes")) >= 3, seconds=6 * INTERVAL_SECONDS)
            asked = await asyncio.to_thread(pulse.state, token=TOKEN)
            while page.top["lastUpdate"] != asked["lastUpdate"]:
                await page.until(lambda at=asked["lastUpdate"]: page.top["lastUpdate"] >= at)
                asked = await asyncio.to_thread(pulse.state, token=TOKEN)
            return page, asked

    page, asked = asyncio.run(watch())

    assert page.lists() == flattened(asked)
    assert page.top["connectionHealth"] == asked["connectionHealth"]
    assert len(page.of("state")) == 1
    assert page.gaps == 0


def test_changes_are_a_small_part_of_the_state(pulse):
    async def watch():
        async with DeltaClient(url_of(pulse), headers=HEADERS) as page:
            await page.until(lambda: len(page.of("changes")) >= 2, seconds=6 * INTERVAL_SECONDS)
            return page

    page = asyncio.run(watch())

    whole = len(json.dumps(page.of("state")[0]))
    sizes = [size for size, message in zip(page.frame_bytes, page.messages, strict=True)
             if message["type"] == "changes"]  # fmt: skip
    assert max(sizes) < whole / 5


def test_a_delta_client_that_misses_a_change_asks_and_goes_on(pulse):
    async def watch():
        async with DeltaClient(url_of(pulse), headers=HEADERS) as page:
            await page.until(lambda: page.of("state"))
            page.losing = 1
            await page.until(lambda: len(page.of("state")) == 2, seconds=6 * INTERVAL_SECONDS)
            await page.until(lambda: page.of("changes")[-1]["seq"] == page.seq, seconds=3 * INTERVAL_SECONDS)
            return page

    page = asyncio.run(watch())

    assert page.gaps == 1
    assert len(guests(page.lists())) > 40


def test_adding_and_removing_an_instance_is_told_to_both(pulse, estate):
    async def watch():
        async with (
            OriginalClient(url_of(pulse), headers=HEADERS) as original,
            DeltaClient(url_of(pulse), headers=HEADERS) as delta,
        ):
            await original.until(lambda: original.of("initialState"))
            await delta.until(lambda: delta.of("state"))
            port = "1024"
            told = dict(estate.instances[0]) | {"url": f"https://127.0.0.1:{port}", "fingerprint": ""}
            number = await asyncio.to_thread(add, pulse, told, name="silent")
            await original.until(lambda: original.of("nodes_changed"))
            await delta.until(lambda: "silent" in delta.top["connectionHealth"], seconds=10)
            status, _ = await asyncio.to_thread(
                pulse.request, "DELETE", f"/api/config/nodes/{number}", token=TOKEN
            )
            await original.until(lambda: original.of("discovery_update"))
            await delta.until(lambda: delta.of("discovery_update"))
            await delta.until(lambda: "silent" not in delta.top["connectionHealth"], seconds=10)
            return status, original, delta

    status, original, delta = asyncio.run(watch())

    assert status == 200
    changed, deleted = original.of("nodes_changed")[0], original.of("node_deleted")[0]
    found = original.of("discovery_update")[0]
    assert set(changed) == {"type", "timestamp"}
    assert set(deleted) == {"type", "data", "timestamp"}
    assert deleted["data"] == {"nodeType": "pve"}
    assert found["data"]["servers"] == [
        {"ip": "127.0.0.1", "port": 1024, "type": "pve", "version": "Unknown", "hostname": "127.0.0.1"}
    ]
    assert (found["data"]["errors"], found["data"]["immediate"]) == ([], True)
    assert isinstance(found["data"]["timestamp"], int)
    instants = [instant(message["timestamp"]) for message in (changed, deleted, found)]
    assert instants == sorted(instants)
    assert delta.of("node_deleted") == original.of("node_deleted")


# --- Who may open it ----------------------------------------------------------------------------------------------


async def attempt(pulse, *, origin=None, headers=None, path="/ws"):
    """The status of a handshake and the body of its refusal; 101 when it is accepted."""
    try:
        async with connect(
            f"ws://127.0.0.1:{pulse.port}{path}",
            origin=origin,
            additional_headers=headers or {},
            max_size=None,
        ) as socket:
            await socket.recv()
            return 101, {}
    except InvalidStatus as refused:
        return refused.response.status_code, json.loads(refused.response.body)


CREDENTIALS = {
    "no token": ({}, 401),
    "a wrong token": ({"X-API-Token": "wrong"}, 401),
    "the token": ({"X-API-Token": TOKEN}, 101),
    "the token as bearer": ({"Authorization": f"Bearer {TOKEN}"}, 101),
}


@pytest.mark.parametrize(("headers", "status"), CREDENTIALS.values(), ids=CREDENTIALS)
def test_the_feed_needs_the_credential_of_the_api(headers, status, pulse):
    answered, body = asyncio.run(attempt(pulse, headers=headers))

    assert answered == status
    if status == 401:
        assert (body["code"], body["status_code"]) == ("unauthorized", 401)


def test_a_token_in_the_address_opens_nothing(pulse):
    assert asyncio.run(attempt(pulse, path=f"/ws?token={TOKEN}"))[0] == 401


OFFERED = {
    "the token beside a name": (["pulse", f"bearer.{TOKEN}"], 101, "pulse"),
    "the token first": ([f"bearer.{TOKEN}", "pulse"], 101, "pulse"),
    "the token beside changes": (["pulse", "pulse.delta.v1", f"bearer.{TOKEN}"], 101, "pulse.delta.v1"),
    "the token alone": ([f"bearer.{TOKEN}"], 101, None),
    "the token beside a name that is not ours": (["chat", f"bearer.{TOKEN}"], 101, None),
    "a wrong token": (["pulse", "bearer.wrong-token-of-a-page"], 401, None),
    "no token": (["pulse"], 401, None),
}


@pytest.mark.parametrize(("offered", "status", "chosen"), OFFERED.values(), ids=OFFERED)
def test_a_page_of_a_listed_origin_shows_its_token_as_a_sub_protocol(offered, status, chosen, pulse):
    async def shake_hands():
        try:
            async with connect(
                url_of(pulse), origin="https://panel.test", subprotocols=offered, max_size=None
            ) as socket:
                return 101, socket.subprotocol, socket.response.headers
        except InvalidStatus as refused:
            return refused.response.status_code, None, refused.response.headers

    answered, subprotocol, headers = asyncio.run(shake_hands())

    assert (answered, subprotocol) == (status, chosen)
    assert "bearer" not in str(headers)
    assert TOKEN not in pulse.log
    assert "wrong-token-of-a-page" not in pulse.log


ORIGINS = {
    "no page": (None, 101),
    "the listed page": ("https://panel.test", 101),
    "our own page": ("http://127.0.0.1:{port}", 101),
    "our own page by its other port": ("http://127.0.0.1:1", 403),
    "another page": ("https://evil.test", 403),
    "a page like the listed one": ("https://panel.test.evil.test", 403),
    "a page without a name": ("null", 403),
}


@pytest.mark.parametrize(("origin", "status"), ORIGINS.values(), ids=ORIGINS)
def test_only_known_pages_open_the_feed_also_with_the_token(origin, status, pulse):
    named = origin.format(port=pulse.port) if origin else None

    answered, body = asyncio.run(attempt(pulse, origin=named, headers=HEADERS))

    assert answered == status
    if status == 403:
        assert (body["code"], body["status_code"]) == ("origin_not_allowed", 403)


def test_a_request_without_an_upgrade_is_answered_with_400(pulse):
    status, body = pulse.request("GET", "/ws", token=TOKEN)

    assert status == 400
    assert body["code"] == "upgrade_required"
    assert pulse.request("GET", "/ws")[0] == 401


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws2", "/api/state"])
def test_no_other_path_opens_a_socket(path, pulse):
    assert asyncio.run(attempt(pulse, headers=HEADERS, path=path))[0] == 404


# --- Bounds -------------------------------------------------------------------------------------------------------


async def close_code_after(pulse, frames):
    """The code with which the server closes after these frames."""
    async with connect(url_of(pulse), additional_headers=HEADERS, max_size=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            for frame in frames:
                await socket.send(frame)
            async with asyncio.timeout(10):
                while True:
                    await socket.recv()
        return socket.close_code


def test_a_message_of_more_than_64_kib_closes_with_1009(pulse):
    assert asyncio.run(close_code_after(pulse, [" " * (64 * 1024 + 1)])) == 1009


def test_a_flood_closes_with_4429_and_harms_nobody_else(pulse):
    async def watch():
        async with OriginalClient(url_of(pulse), headers=HEADERS) as page:
            await page.until(lambda: page.of("initialState"))
            code = await close_code_after(pulse, ["{}"] * 1000)
            await page.next_of("rawData", seconds=3 * INTERVAL_SECONDS)
            return code, page.connections

    assert asyncio.run(watch()) == (4429, 1)


def test_after_a_restart_both_clients_come_back_by_themselves(tmp_path):
    async def watch(first: PulseProcess):
        async with (
            OriginalClient(url_of(first), first_wait_seconds=0.1) as original,
            DeltaClient(url_of(first)) as delta,
        ):
            await original.until(lambda: original.of("initialState"))
            await delta.until(lambda: delta.of("state"))
            first.process.send_signal(signal.SIGTERM)
            await delta.until(lambda: delta.close_code is not None)
            await asyncio.to_thread(first.wait_for_exit)
            with PulseProcess(tmp_path / "data", port=first.port):
                await original.until(lambda: len(original.of("initialState")) == 2, seconds=30)
            return original, delta

    with PulseProcess(tmp_path / "data") as first:
        first.healthy()

        original, delta = asyncio.run(watch(first))

    assert original.close_codes[0] == 1012
    assert delta.close_code == 1012
    assert original.types()[-2:] == ["welcome", "initialState"]


def test_a_token_that_is_revoked_closes_its_socket_with_4401(pulse):
    made = pulse.request(
        "POST", "/api/security/tokens", {"name": "wall", "scopes": ["monitoring:read"]}, token=TOKEN
    )[1]

    async def watch():
        async with DeltaClient(url_of(pulse), headers={"X-API-Token": made["token"]}) as page:
            await page.until(lambda: page.of("state"))
            await asyncio.to_thread(
                pulse.request, "DELETE", f"/api/security/tokens/{made['id']}", token=TOKEN
            )
            await page.until(lambda: page.close_code is not None, seconds=10)
            return page.close_code

    assert asyncio.run(watch()) == 4401

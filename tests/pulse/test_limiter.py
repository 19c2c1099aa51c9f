"""The bound on requests inside Django: lanes, the queue in front of them, slow senders and slow readers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from pulse.runtime.bodies import Admission
from pulse.runtime.limiter import Limiter, pieces_of
from tests.memory import memory_is_bounded

PATIENCE_SECONDS = 10

pytestmark = pytest.mark.asyncio


class Client:
    """One request at an ASGI application: what it sends, what it got."""

    def __init__(
        self,
        app: Limiter,
        path: str = "/",
        *,
        headers: list[tuple[bytes, bytes]] | None = None,
        address: str = "192.0.2.1",
    ) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "headers": headers or [],
            "client": (address, 40_000),
        }
        self.app = app

    def say(self, body: bytes = b"", *, more: bool = False) -> Client:
        """Send a part of the body."""
        self.incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})
        return self

    def hang_up(self) -> None:
        """Close the connection."""
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def read(self, message: dict[str, Any]) -> None:
        """Take a message of the answer, when the client reads at all."""
        await self.may_read.wait()
        self.sent.append(message)

    def start(self) -> asyncio.Task[None]:
        """Begin the request."""
        return asyncio.create_task(self.app(self.scope, self.incoming.get, self.read))

    async def finish(self) -> Client:
        """Make the request and wait for the answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.start()
        return self

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.sent[0]["status"]

    @property
    def body(self) -> bytes:
        """The whole body of the answer."""
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The headers of the answer."""
        return dict(self.sent[0]["headers"])


class Views:
    """An application with synchronous work in it, as Django has."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.entered = threading.Semaphore(0)
        self.threads: list[str] = []

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        request = await receive()
        work = asyncio.create_task(sync_to_async(self.work)(scope["path"]))
        gone = asyncio.create_task(receive())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return
        gone.cancel()
        length = dict(scope["headers"]).get(b"content-length", b"")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"seen-length", length)]})
        await send({"type": "http.response.body", "body": request["body"], "more_body": True})
        await send({"type": "http.response.body", "body": b"."})

    def work(self, path: str) -> None:
        self.threads.append(threading.current_thread().name)
        self.entered.release()
        if path == "/slow":
            self.release.wait(PATIENCE_SECONDS)


def limiter(views: Views, **options: Any) -> Limiter:
    """Return a small limiter around the views."""
    return Limiter(views, **{"max_body_bytes": 100, "lanes": 2, "max_waiting": 1, **options})


async def one_turn() -> None:
    """Let every task that can run now run once."""
    await asyncio.sleep(0)


async def entered(views: Views, count: int) -> None:
    """Return when so many requests are inside."""
    for _ in range(count):
        assert await asyncio.to_thread(views.entered.acquire, timeout=PATIENCE_SECONDS)


async def test_a_request_is_passed_and_its_answer_comes_back():
    client = await Client(limiter(Views())).say().finish()

    assert client.status == 200
    assert client.body == b"."


async def test_an_answer_held_as_a_whole_is_sent_with_its_length():
    client = await Client(limiter(Views()), headers=[(b"content-length", b"3")]).say(b"abc").finish()

    assert client.headers[b"content-length"] == b"4"


async def test_an_answer_too_long_to_hold_goes_out_as_it_comes(monkeypatch):
    monkeypatch.setattr("pulse.runtime.limiter.MAX_HELD_BYTES", 2)
    client = await Client(limiter(Views()), headers=[(b"content-length", b"3")]).say(b"abc").finish()

    assert client.body == b"abc."
    assert b"content-length" not in client.headers


async def test_one_thread_serves_request_after_request():
    views = Views()
    app = limiter(views)

    for _ in range(5):
        await Client(app).say().finish()

    assert set(views.threads) == {"request-1_0"}


async def test_no_more_requests_are_inside_than_there_are_lanes():
    views = Views()
    app = limiter(views)
    inside = [Client(app, "/slow").say().start() for _ in range(2)]
    await entered(views, 2)

    third = Client(app, "/third").say().start()
    done, _ = await asyncio.wait({third}, timeout=0.05)
    views.release.set()
    await asyncio.gather(third, *inside)

    assert not done
    assert len(set(views.threads)) == 2


async def refused_beyond_the_queue(*headers: tuple[bytes, bytes]) -> Client:
    """Return a client that found every lane and every place in the queue taken."""
    views = Views()
    app = limiter(views)
    inside = [Client(app, "/slow").say().start() for _ in range(2)]
    await entered(views, 2)
    queued = Client(app).say().start()
    await one_turn()

    refused = await Client(app, headers=list(headers)).say().finish()
    views.release.set()
    await asyncio.gather(queued, *inside)
    return refused


async def test_a_refusal_of_the_server_has_the_headers_of_every_answer():
    headers = (await refused_beyond_the_queue()).headers

    assert headers[b"content-security-policy"].startswith(b"default-src 'none'; ")
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"cache-control"] == b"no-store"
    assert len(headers[b"x-request-id"]) == 16
    assert b"strict-transport-security" not in headers


@pytest.mark.parametrize(("trusted", "is_asked"), [(["192.0.2.0/24"], True), ([], False)])
async def test_a_refusal_of_the_server_asks_for_strict_transport_where_a_proxy_says_tls(
    trusted, is_asked, settings
):
    settings.PULSE_TRUSTED_PROXIES = trusted

    headers = (await refused_beyond_the_queue((b"x-forwarded-proto", b"https"))).headers

    assert (headers.get(b"strict-transport-security") == b"max-age=31536000") is is_asked


async def test_beyond_the_queue_the_answer_is_503_with_when_to_come_back():
    refused = await refused_beyond_the_queue()

    assert refused.status == 503
    assert refused.headers[b"retry-after"] == b"2"
    assert json.loads(refused.body)["code"] == "unavailable"


async def test_health_is_answered_while_every_lane_is_taken():
    views = Views()
    app = limiter(views)
    inside = [Client(app, "/slow").say().start() for _ in range(2)]
    await entered(views, 2)

    health = await Client(app, "/api/health").say().finish()
    views.release.set()
    await asyncio.gather(*inside)

    assert health.status == 200


async def test_a_request_never_waits_behind_the_view_of_a_client_that_left():
    views = Views()
    app = limiter(views)
    left = Client(app, "/slow").say()
    abandoned = left.start()
    await entered(views, 1)
    left.hang_up()
    await abandoned

    served = await Client(app, "/quick").say().finish()
    views.release.set()

    assert served.status == 200


async def test_the_lane_of_a_client_that_left_is_used_again_when_its_view_has_ended():
    views = Views()
    app = limiter(views, lanes=1)
    left = Client(app, "/slow").say()
    abandoned = left.start()
    await entered(views, 1)
    left.hang_up()
    await abandoned

    views.release.set()
    served = await Client(app, "/quick").say().finish()

    assert served.status == 200
    assert set(views.threads) == {"request-1_0"}


async def test_a_client_that_sends_slowly_holds_no_lane():
    views = Views()
    app = limiter(views, lanes=1)
    slow = Client(app, headers=[(b"content-length", b"10")]).say(b"12345", more=True)
    sending = slow.start()
    await one_turn()

    other = await Client(app).say().finish()
    slow.say(b"67890")
    await sending

    assert other.status == 200
    assert slow.body == b"1234567890."


async def test_a_body_that_does_not_arrive_in_time_is_answered_408():
    app = limiter(Views(), read_seconds=0.01)

    client = await Client(app, headers=[(b"content-length", b"10")]).finish()

    assert client.status == 408


async def test_a_client_that_reads_slowly_holds_no_lane():
    views = Views()
    app = limiter(views, lanes=1)
    slow = Client(app).say()
    slow.may_read.clear()
    reading = slow.start()
    await entered(views, 1)

    other = await Client(app).say().finish()
    slow.may_read.set()
    await reading

    assert other.status == 200
    assert slow.body == b"."


async def test_a_client_that_does_not_read_at_all_is_cut():
    app = limiter(Views(), write_seconds=0.01)
    client = Client(app).say()
    client.may_read.clear()

    with pytest.raises(TimeoutError):
        await client.start()


class Endless:
    """An application that answers in pieces, and goes on until nobody takes them."""

    def __init__(self) -> None:
        self.made = 0
        self.is_closed = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                self.made += 1
                await one_turn()
                await send({"type": "http.response.body", "body": bytes(64 << 10), "more_body": True})
        finally:
            self.is_closed = True


async def test_a_long_answer_is_made_no_faster_than_it_is_taken():
    endless = Endless()
    client = Client(Limiter(endless, max_body_bytes=100))
    client.may_read.clear()
    request = client.start()
    while endless.made < 2:
        await one_turn()
    for _ in range(100):
        await one_turn()

    assert (endless.made, client.sent) == (2, [])
    request.cancel()


async def test_who_does_not_take_a_piece_in_time_holds_its_lane_no_longer():
    endless = Endless()
    client = Client(Limiter(endless, max_body_bytes=100, take_seconds=0.01))
    client.may_read.clear()

    with pytest.raises(TimeoutError):
        await client.finish()

    assert endless.is_closed


async def test_a_stream_as_a_whole_has_its_time_however_fast_it_is_taken():
    client = Client(Limiter(Endless(), max_body_bytes=100, write_seconds=0.05))

    with pytest.raises(TimeoutError):
        await client.finish()

    assert len(client.sent) > 1


async def test_four_streams_are_made_at_once_and_a_fifth_is_to_come_back():
    app = Limiter(Endless(), max_body_bytes=100)
    streams = [Client(app) for _ in range(4)]
    for stream in streams:
        stream.may_read.clear()
    requests = [stream.start() for stream in streams]
    while len(app.streams._ends) < 4:
        await one_turn()

    refused = await Client(app).finish()

    assert (refused.status, refused.headers[b"retry-after"]) == (503, b"2")
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)
    assert app.streams._ends == {}


async def test_a_body_that_says_it_is_too_large_is_not_read():
    client = await Client(limiter(Views()), headers=[(b"content-length", b"101")]).finish()

    assert client.body == b"."
    assert client.headers[b"seen-length"] == b"101"


async def test_a_body_in_pieces_that_grows_too_large_is_cut_and_declared():
    client = Client(limiter(Views()), headers=[(b"transfer-encoding", b"chunked")])
    for _ in range(3):
        client.say(b"x" * 50, more=True)

    await client.finish()

    assert client.headers[b"seen-length"] == b"101"


async def test_a_body_in_pieces_is_declared_with_its_length():
    client = (
        Client(limiter(Views()), headers=[(b"transfer-encoding", b"chunked")]).say(b"ab", more=True).say(b"c")
    )

    await client.finish()

    assert client.body == b"abc."
    assert client.headers[b"seen-length"] == b"3"


async def test_a_client_that_leaves_while_sending_costs_no_view():
    views = Views()
    client = Client(limiter(views), headers=[(b"content-length", b"10")]).say(b"12", more=True)
    client.hang_up()

    await client.finish()

    assert client.sent == []
    assert views.threads == []


async def test_a_queued_request_that_is_cancelled_gives_its_turn_away():
    views = Views()
    app = limiter(views, lanes=1, max_waiting=2)
    inside = Client(app, "/slow").say().start()
    await entered(views, 1)
    first, second = Client(app).say(), Client(app).say()
    cancelled, waiting = first.start(), second.start()
    await one_turn()

    cancelled.cancel()
    views.release.set()
    await asyncio.gather(inside, waiting)

    assert second.status == 200
    assert first.sent == []


async def sending(app: Limiter, *, like: Client) -> asyncio.Task[None]:
    """Begin a request whose body does not end; return when it is under way."""
    before = app.strangers.count
    task = like.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while app.strangers.count == before:
            await one_turn()
    return task


HEADER = [(b"content-length", b"2")]


async def test_too_many_bodies_under_way_are_answered_503(monkeypatch):
    monkeypatch.setattr("pulse.runtime.limiter.MAX_STRANGERS", 1)
    app = limiter(Views())
    slow = Client(app, headers=HEADER)
    under_way = await sending(app, like=slow)

    refused = await Client(app, headers=HEADER, address="192.0.2.2").say(b"a", more=True).finish()
    slow.say(b"ab")
    await under_way

    assert refused.status == 503
    assert slow.status == 200


async def test_one_client_takes_a_part_of_the_places_for_bodies_only(monkeypatch):
    monkeypatch.setattr("pulse.runtime.limiter.MAX_STRANGERS_PER_CLIENT", 1)
    app = limiter(Views())
    under_way = await sending(app, like=Client(app, headers=HEADER))

    refused = await Client(app, headers=HEADER).say(b"a", more=True).finish()
    other = Client(app, headers=HEADER, address="192.0.2.2").say(b"a", more=True).say(b"b")
    await other.finish()
    under_way.cancel()

    assert refused.status == 429
    assert refused.headers[b"retry-after"] == b"2"
    assert other.body == b"ab."


async def test_who_has_shown_a_credential_has_places_of_their_own(monkeypatch):
    async def admit(scope: Any) -> Admission:
        return Admission(client="192.0.2.1", is_known=scope["path"] == "/known")

    monkeypatch.setattr("pulse.runtime.limiter.MAX_STRANGERS", 1)
    app = limiter(Views(), admit=admit)
    under_way = await sending(app, like=Client(app, headers=HEADER))

    stranger = await Client(app, "/", headers=HEADER).say(b"a", more=True).finish()
    known = await Client(app, "/known", headers=HEADER).say(b"a", more=True).say(b"b").finish()
    under_way.cancel()

    assert (stranger.status, known.status) == (503, 200)


async def test_a_body_is_not_awaited_when_its_head_is_refused():
    async def admit(scope: Any) -> list[Any]:
        return [
            {"type": "http.response.start", "status": 401, "headers": []},
            {"type": "http.response.body", "body": b"no"},
        ]

    views = Views()

    refused = await Client(limiter(views, admit=admit), headers=HEADER).finish()

    assert (refused.status, refused.body) == (401, b"no")
    assert views.threads == []


async def test_a_body_that_is_there_with_its_head_is_not_looked_at_twice():
    async def admit(scope: Any) -> Admission:
        raise AssertionError("the view looks at it anyway")

    served = await Client(limiter(Views(), admit=admit), headers=HEADER).say(b"ab").finish()

    assert served.body == b"ab."


async def test_a_body_that_drips_is_cut_long_before_the_most_that_one_may_take():
    app = limiter(Views(), grace_seconds=0.05, read_seconds=3600.0)
    client = Client(app, headers=[(b"content-length", b"50")]).say(b"12345", more=True)

    await client.finish()

    assert client.status == 408


async def test_a_long_answer_is_handed_on_in_pieces(monkeypatch):
    monkeypatch.setattr("pulse.runtime.limiter.PIECE_BYTES", 2)
    header = [(b"content-length", b"5")]

    client = await Client(limiter(Views()), headers=header).say(b"12345").finish()

    assert [message.get("body") for message in client.sent[1:]] == [b"12", b"34", b"5", b"."]


async def test_readers_have_less_time_when_too_much_waits_for_them(monkeypatch):
    monkeypatch.setattr("pulse.runtime.limiter.MOST_UNSENT_BYTES", 0)
    monkeypatch.setattr("pulse.runtime.limiter.WRITE_SECONDS_WHEN_SHORT", 0.01)
    app = limiter(Views(), write_seconds=3600.0)
    client = Client(app).say()
    client.may_read.clear()

    with pytest.raises(TimeoutError):
        await client.finish()

    assert app.unsent.size_bytes == 0


async def test_nobody_who_reads_slowly_has_a_copy_of_a_long_answer_of_their_own():
    message = {"type": "http.response.body", "body": bytes(8 << 20)}

    with memory_is_bounded(1 << 20):
        pieces = list(map(is_last, pieces_of(message)))

    assert pieces == [False] * 31 + [True]


def is_last(message: Any) -> bool:
    """Whether nothing follows a part of an answer."""
    return not message.get("more_body", False)

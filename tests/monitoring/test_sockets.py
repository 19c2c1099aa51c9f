"""A socket under uvicorn: back-pressure, and an end for peers that never read."""

from __future__ import annotations

import asyncio
import socket

from monitoring.feed.sockets import Socket


class Transport(asyncio.Transport):
    """Stands for the transport of a connection whose peer has not read 70,000 bytes."""

    def __init__(self, connection=None):
        super().__init__({"socket": connection})
        self.aborted = 0

    def get_write_buffer_size(self):
        return 70_000

    def abort(self):
        self.aborted += 1


class Server:
    """Stands for uvicorn's protocol object: what its `send` is given, whether it is writable, its transport."""

    def __init__(self, connection=None):
        self.sent = []
        self.writable = asyncio.Event()
        self.transport = Transport(connection)

    async def send(self, message):
        self.sent.append(message)


async def other_server_send(message):
    """The `send` of a server of which nothing is known."""


def test_text_and_binary_go_out_as_what_they_are():
    async def test():
        server = Server()
        server.writable.set()
        socket = Socket(server.send)
        await socket.send("text")
        await socket.send(b"binary")
        return server.sent

    assert asyncio.run(test()) == [
        {"type": "websocket.send", "text": "text"},
        {"type": "websocket.send", "bytes": b"binary"},
    ]


def test_a_frame_counts_as_sent_when_the_peer_has_read_it():
    async def test():
        server = Server()
        sending = asyncio.ensure_future(Socket(server.send).send("text"))
        while not server.sent:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        before = sending.done()
        server.writable.set()
        await sending
        return before

    assert asyncio.run(test()) is False


def test_what_the_peer_has_not_read_is_told_and_can_be_dropped():
    async def test():
        server = Server()
        socket = Socket(server.send)
        unsent = socket.unsent_bytes()
        socket.abort()
        return unsent, server.transport.aborted

    assert asyncio.run(test()) == (70_000, 1)


def test_a_peer_that_does_not_answer_the_close_frame_is_cut_off_in_the_end(monkeypatch):
    monkeypatch.setattr("monitoring.feed.sockets.LINGER_SECONDS", 0.0)

    async def test():
        server = Server()
        await Socket(server.send).close(4401)
        while not server.transport.aborted:
            await asyncio.sleep(0)
        return server.sent

    assert asyncio.run(test()) == [{"type": "websocket.close", "code": 4401}]


def test_another_server_is_used_as_far_as_asgi_goes():
    async def test():
        socket = Socket(other_server_send)
        await socket.send("text")
        socket.abort()
        return socket.unsent_bytes()

    assert asyncio.run(test()) == 0


class Connection:
    """Stands for the connection below a transport: remembers what is set while it is open."""

    def __init__(self):
        self.options = {}
        self.is_open = True

    def setsockopt(self, level, option, value):
        if not self.is_open:
            raise OSError
        self.options[option] = value


def test_the_system_holds_little_for_a_peer_that_does_not_read():
    async def test():
        connection = Connection()
        Socket(Server(connection).send)
        return connection.options

    assert asyncio.run(test()) == {socket.SO_SNDBUF: 262_144}


def test_a_peer_that_is_cut_off_is_reset():
    async def test():
        connection = Connection()
        Socket(Server(connection).send).abort()
        return connection.options[socket.SO_LINGER]

    assert asyncio.run(test()) == b"\x01\x00\x00\x00\x00\x00\x00\x00"


def test_a_connection_that_has_ended_by_itself_is_let_be():
    async def test():
        server = Server(Connection())
        ended = Socket(server.send)
        server.transport.get_extra_info("socket").is_open = False
        ended.abort()
        return server.transport.aborted

    assert asyncio.run(test()) == 1

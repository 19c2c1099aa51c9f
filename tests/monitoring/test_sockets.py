"""A socket under uvicorn: back-pressure, and an end for peers that never read."""

from __future__ import annotations

import asyncio
import socket

from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol

from monitoring.feed.sockets import Socket, Utf8


class Transport(asyncio.Transport):
    """Stands for the transport of a connection whose peer has not read 70,000 bytes."""

    def __init__(self, connection=None):
        super().__init__({"socket": connection})
        self.aborted = 0
        self.written = []

    def write(self, data):
        self.written.append(data)

    def is_closing(self):
        return self.aborted > 0

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


class Uvicorn(Server):
    """The same with the messages of a WebSocket, and a peer that reads what is written."""

    def __init__(self):
        super().__init__()
        self.conn = Protocol(SERVER, state=OPEN, max_size=None)
        self.peer = Protocol(CLIENT, state=OPEN, max_size=None)

    def frames(self):
        """The frames that the peer was sent since it was asked last."""
        for data in self.transport.written:
            self.peer.receive_data(data)
        self.transport.written.clear()
        return self.peer.events_received()


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


def test_a_long_frame_leaves_in_pieces_each_when_the_one_before_was_read():
    text = "ä" * 300_000  # two bytes each

    async def test():
        server, seen = Uvicorn(), []
        sending = asyncio.ensure_future(Socket(server.send).send(Utf8(text.encode())))
        while not sending.done():
            server.writable.set()
            await asyncio.sleep(0)
            server.writable.clear()
            seen.append(server.frames())
            if server.conn.expect_continuation_frame:
                assert not sending.done()
        return [(frame.opcode, frame.fin, frame.data) for frames in seen for frame in frames]

    sent = asyncio.run(test())

    assert [(opcode, fin, len(data)) for opcode, fin, data in sent] == [
        (Opcode.TEXT, False, 262_144),
        (Opcode.CONT, False, 262_144),
        (Opcode.CONT, True, 75_712),
    ]
    assert b"".join(data for _, _, data in sent).decode() == text


def test_what_is_left_of_a_long_frame_counts_as_not_taken():
    async def test():
        server = Uvicorn()
        server.writable.set()
        client = Socket(server.send)
        server.transport.write = lambda data: server.writable.clear()
        sending = asyncio.ensure_future(client.send(b"x" * 1_000_000))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sending.cancel()
        return client.unsent_bytes()

    assert asyncio.run(test()) == 1_000_000 - 262_144 + 70_000


def test_a_socket_that_is_closed_meanwhile_gets_the_close_frame_instead_of_the_rest():
    async def test():
        server = Uvicorn()
        server.writable.set()
        client = Socket(server.send)
        server.transport.write = lambda data: server.writable.clear()
        sending = asyncio.ensure_future(client.send(b"x" * 1_000_000))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await client.close(1012)
        server.writable.set()
        await sending
        return server.sent, server.conn.expect_continuation_frame, client.unsent_bytes()

    sent, is_unfinished, unsent_bytes = asyncio.run(test())

    assert sent == [{"type": "websocket.close", "code": 1012}]
    assert is_unfinished
    assert unsent_bytes == 70_000


def test_text_of_many_clients_is_text_for_another_server_too():
    async def test():
        server = Server()
        server.writable.set()
        await Socket(server.send).send(Utf8(b"x" * 300_000))
        return server.sent

    assert asyncio.run(test()) == [{"type": "websocket.send", "text": "x" * 300_000}]


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

"""pulse.runtime.prefix: which paths the application sees."""

from __future__ import annotations

import asyncio

import pytest

from pulse.runtime.prefix import Prefix


def seen(path, *, prefix):
    """The path that the application sees."""
    paths = []

    async def application(scope, receive, send):
        paths.append(scope["path"])

    asyncio.run(Prefix(application, prefix)({"type": "http", "path": path}, None, None))
    return paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/pulse", "/"),
        ("/pulse/", "/"),
        ("/pulse/api/state", "/api/state"),
        ("/pulse/pulse/x", "/pulse/x"),
        ("/api/state", "/api/state"),
        ("/", "/"),
        ("/pulses/x", "/pulses/x"),
        ("/Pulse/x", "/Pulse/x"),
        ("//pulse/x", "//pulse/x"),
    ],
)
def test_the_prefix_is_taken_off_once_where_it_is(path, expected):
    assert seen(path, prefix="/pulse") == [expected]


@pytest.mark.parametrize("path", ["/", "/api/state", "/pulse/x", ""])
def test_without_a_prefix_every_path_stays(path):
    assert seen(path, prefix="") == [path]

"""The routes as the resolver has them: the one list that no forgotten view can stay out of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver

SAMPLES = {"int": "1", "uuid": "00000000-0000-4000-8000-000000000000"}


class Route(NamedTuple):
    """One pattern: as it is written, an address that leads to it, its view, and whether Django's admin has it."""

    pattern: str
    path: str
    view: Callable[..., Any]
    is_admin: bool


def all_routes() -> list[Route]:
    """Return every route, in the order of the resolver."""
    return list(walk(get_resolver(), "", is_admin=False))


def walk(resolver: URLResolver, prefix: str, *, is_admin: bool) -> Iterator[Route]:
    """Yield the routes under a resolver."""
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from walk(entry, pattern, is_admin=is_admin or entry.app_name == "admin")
        else:
            assert isinstance(entry, URLPattern)
            yield Route(pattern, sample(pattern), entry.callback, is_admin)


def sample(pattern: str) -> str:
    """Return an address that the pattern matches."""
    pattern = re.sub(r"\(\?!(?:[^()]|\([^()]*\))*\)\.\+", "anywhere", pattern)  # all but some
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda match: SAMPLES.get(match[1] or "str", "x"), pattern)
    path = re.sub(r"\(\?P<\w+>([a-z]\w*)?[^)]*\)", lambda match: match[1] or "x", path)  # the admin's own
    return "/" + path.replace("^", "").replace("$", "").replace("\\", "")

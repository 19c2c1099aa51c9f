"""A call as a declaration: which address is asked for, and what reads its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

from nodes.proxmox.answers import Plain
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer

Reading = TypeVar("Reading")
Params = Mapping[str, str | int]

SEGMENT_LIMIT = 256
PLACEHOLDER = re.compile(r"\{\w+\}")


@dataclass(frozen=True)
class Call(Generic[Reading]):
    """GET `path`, in which each {placeholder} stands for one name, with fixed or given parameters.

    `plain` decodes a body faster where nothing in it is unusual, to what `read` takes as well; else None.
    What an account needs for it, and what is missing without, is in `nodes.doctor.features`.
    """

    path: str
    read: Callable[[object], Reading]
    params: Params | None = None
    plain: Plain | None = None

    def __call__(
        self,
        client: Client,
        *names: str | int,
        params: Params | None = None,
        timeout_seconds: float | None = None,
    ) -> Reading:
        """Return what is read from the answer, the names filled in in their order. Raises ProxmoxError."""
        path = self.filled(*names)
        answer = client.get(path, params or self.params, timeout_seconds=timeout_seconds, plain=self.plain)
        return self.read(answer.data)

    def filled(self, *names: str | int) -> str:
        """Return the path with these names. Raises BadAnswer for one that would lead elsewhere."""
        left = [segment(str(name)) for name in names]
        path = PLACEHOLDER.sub(lambda _: left.pop(0), self.path)
        if left:
            raise TypeError(f"{self.path} takes fewer names than {len(names)}")
        return path


def unread(data: object) -> object:
    """Return an answer as it came, where its reader is told more than what is in it."""
    return data


def segment(text: str) -> str:
    """Return text as exactly one segment of a path.

    Raises BadAnswer for what would lead elsewhere: names come from the answers of hosts.
    """
    if not text or text in (".", "..") or len(text) > SEGMENT_LIMIT:
        raise BadAnswer("A name in the answer cannot be part of an address")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise BadAnswer("A name in the answer cannot be part of an address") from None

"""The OpenAPI document of all routes under `/api`, written once when it is first asked for."""

from __future__ import annotations

import inspect
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.urls import URLPattern, get_resolver
from drf_spectacular.generators import SchemaGenerator

import pulse
from pulse.lib.endpoints import Endpoint, Operation, Tag, operation_of
from pulse.openapi.schema import (
    REFUSALS,
    Json,
    OperationSchema,
    alternatives,
    is_serializer,
    nullable,
    refusal_answer,
    shapes,
)

#: Examples of bodies and answers by operation; a test holds them against the schemas.
EXAMPLES = Path(__file__).with_name("examples.json")

#: A line break within a paragraph.
BREAK = re.compile(r"(?<!\n)\n(?!\n)")

TITLE = "Pulse"
SUMMARY = "What your Proxmox hosts are doing, and how to tell Pulse which to watch."
DESCRIPTION = """\
Pulse watches Proxmox VE, Proxmox Backup Server and Proxmox Mail Gateway. An *instance* is one configured host or cluster;
its nodes, guests, storages and so on are *resources*, each with an id that `/api/state` tells.

**Begin with** `GET /api/state` for everything that is known now, and `POST /api/config/nodes` to add an instance.

**Credentials.** Make an API token with the scopes that you need and send it as `X-API-Token`. `Authorization: Bearer` and
Basic with the token as the password are as good. A page of this Pulse is recognised by its session; an unsafe request with a
session must come from a page of the same origin. A fresh installation serves its own machine without a credential, until an
account, a token or `API_TOKEN` exists.

**Bodies and answers** are JSON in UTF-8; a body is read as JSON whatever its `Content-Type`. Unknown keys are ignored, and null
is as good as absent. Types are not converted: `"5"` is no number.

**Errors** all look the same: `{"error": "text for people", "code": "name for programs", "status_code": 400, "timestamp": 0}`,
where `details` may name the wrong fields. Decide by status and code; texts may change.

**Unknown is not zero.** Where a number has to be there and is not known, it is 0 or -1 and a field beside it says why
(`diskReason`, `memorySource`, `stale`). An instant that is not known is `0001-01-01T00:00:00Z`, in the `details` of a
resource null. Sizes are bytes, `usage` is a percentage, `cpu` a fraction of 1, rates are bytes per second.

**To follow the state** open the WebSocket `/ws` with the same credential: it sends the whole state, then what changes.

Every address also answers HEAD like GET without a body, and OPTIONS. Another method is 405 with `Allow`.
"""

TAGS = {
    Tag.MONITORING: "What the hosts are doing now.",
    Tag.BACKUPS: "Backups, backup tasks and snapshots.",
    Tag.INSTANCES: "Which hosts are watched, and with which account.",
    Tag.DIAGNOSTICS: "What is wrong, and what Pulse asks the hosts.",
    Tag.ACCESS: "Who may come in: API tokens, and what protects this Pulse.",
    Tag.ABOUT: "Pulse itself, and this description.",
}

SECURITY_SCHEMES = {
    "apiToken": {"type": "apiKey", "in": "header", "name": "X-API-Token", "description": "An API token."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same, by another name.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "Any user name, and an API token as the password.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "pulse_session",
        "description": "The session of somebody who has signed in at `/login`.",
    },
}


def routes() -> list[URLPattern]:
    """Return the routes that the document describes."""
    every = get_resolver().url_patterns
    return [
        route for route in every if isinstance(route, URLPattern) and str(route.pattern).startswith("api/")
    ]


def operations() -> list[Operation]:
    """Return what all of them declare."""
    views = [route.callback.cls for route in routes()]  # type: ignore[attr-defined]
    declared = [operation_of(view, method) for view in views for method in Endpoint.http_method_names]
    return [operation for operation in declared if operation is not None]


@cache
def document() -> bytes:
    """Return the document."""
    answers = [answer for declared in operations() for answer in declared.answers.values()]
    types = [answer for answer in answers if answer is not None and not is_serializer(answer)]
    types += [alternative for answer in types for alternative in alternatives(answer)]
    OperationSchema.types = tuple(dict.fromkeys(types))
    written: Json = SchemaGenerator(patterns=routes()).get_schema(public=True)
    written["info"] = {
        "title": TITLE,
        "version": pulse.__version__,
        "summary": SUMMARY,
        "description": DESCRIPTION,
        "license": {"name": "MIT", "identifier": "MIT"},
    }
    written["servers"] = [{"url": settings.PULSE_URL_PREFIX or "/", "description": "This Pulse."}]
    written["tags"] = [{"name": str(tag), "description": text} for tag, text in TAGS.items()]
    components = written["components"]
    mend_bodies(components["schemas"])
    components["schemas"] |= shapes(OperationSchema.types)[1]
    components["securitySchemes"] = SECURITY_SCHEMES
    components["responses"] = {
        f"Refused{status}": refusal_answer(status, refusal) for status, refusal in REFUSALS.items()
    }
    add_examples(written["paths"])
    return with_short_names(msgspec.json.encode(flowing(written)))


def flowing(value: Any) -> Any:
    """Return the document with its descriptions in one line a paragraph: a break of ours would be one on the page."""
    if isinstance(value, list):
        return [flowing(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: BREAK.sub(" ", inspect.cleandoc(entry))
        if key == "description" and isinstance(entry, str)
        else flowing(entry)
        for key, entry in value.items()
    }


def mend_bodies(schemas: dict[str, Json]) -> None:
    """Say of the bodies that null is as good as absent."""
    for name, schema in schemas.items():
        if name.endswith("Request"):
            schema["properties"] = nullable(schema["properties"], schema.get("required", ()))


def add_examples(paths: dict[str, dict[str, Json]]) -> None:
    """Put the examples where they belong: `body` or a status, by method and path; a text names another operation's."""
    all_examples = json.loads(EXAMPLES.read_text())
    for key, examples in all_examples.items():
        method, _, path = key.partition(" ")
        described = paths[path][method.lower()]
        for name, example in (all_examples[examples] if isinstance(examples, str) else examples).items():
            holder: dict[str, Any] = (
                described["requestBody"] if name == "body" else described["responses"][name]
            )
            for media_type, content in holder["content"].items():
                # What comes in another form too has an example for each.
                is_shared = len(holder["content"]) > 1
                content["example"] = example[media_type] if is_shared else example


def with_short_names(text: bytes) -> bytes:
    """Name the shapes of the wire as their readers would: `Guest`, not how our modules call it."""
    names = rb"(\"(?:#/components/schemas/)?)([A-Z][A-Za-z]*?)Shape\""
    return re.sub(names, rb'\1\2"', text)

"""How drf-spectacular describes one operation: from what the view declares, and from the door that every request passes.

Loaded only when the document is asked for: drf-spectacular takes three megabytes.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.serializers import BaseSerializer

from pulse.lib.auth import Access, Limit, Policy
from pulse.lib.endpoints import Endpoint, Operation, Refusal, operation_of
from pulse.lib.errors import ErrorBody

Json = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"
#: How a caller proves who it is; any one of them suffices.
SECURITY: list[dict[str, list[str]]] = [
    {"apiToken": []},
    {"apiKey": []},
    {"bearer": []},
    {"basic": []},
    {"session": []},
]
#: What any route may be refused for, by status.
REFUSALS = {
    400: Refusal("bad_request", "The request cannot be read. Its query is longer than 8 KiB, for example."),
    401: Refusal(
        "unauthorized",
        "The credential is missing or wrong. A wrong one is refused even beside a good session.",
    ),
    403: Refusal(
        "forbidden",
        "This needs another scope. Or a page of another site sent the request with a session (`cross_site`).",
    ),
    404: Refusal("not_found", "There is nothing at this path."),
    408: Refusal("request_timeout", "The body did not come in time."),
    413: Refusal("body_too_large", "The body is larger than 1 MiB."),
    429: Refusal(
        "rate_limited", "Too many requests. Or too many wrong tokens; `Retry-After` says when to come again."
    ),
    500: Refusal("internal_error", "Something went wrong in Pulse. Its log has the details."),
    503: Refusal(
        "unavailable", "Pulse is too busy. Or its database is; `Retry-After` says when to come again."
    ),
}
BODY_REFUSAL = Refusal(
    "validation_error",
    "The body is not valid. It has to be one JSON object; `details` names each field that has the wrong type "
    "(`invalid_json`) or a wrong value.",
)
LIMIT_HEADERS: Json = {
    "X-RateLimit-Limit": {"description": "Requests in one span.", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "How many of them are left.", "schema": {"type": "integer"}},
}
#: An instant of the examples, in Unix seconds.
MOMENT = 1767268800


def refusal_answer(status: int, refusal: Refusal) -> Json:
    """Return the description of a refusal with an example."""
    sentence = refusal.text.split(". ")[0].rstrip(".")
    example = {"error": sentence[0].lower() + sentence[1:], "code": refusal.code}
    answer: Json = {
        "description": f"{refusal.text} Code `{refusal.code}`.",
        "content": {
            "application/json": {
                "schema": {"$ref": REFERENCE.format(name=ErrorBody.__name__)},
                "example": example | {"status_code": status, "timestamp": MOMENT},
            }
        },
    }
    if status in (429, 503):
        wait = {"description": "Seconds until it is worth to come again.", "schema": {"type": "integer"}}
        answer["headers"] = {"Retry-After": wait}
    return answer


@cache
def shapes(types: tuple[Any, ...]) -> tuple[Mapping[Any, Json], Mapping[str, Json]]:
    """Return the schema of each type, and the components that they refer to."""
    schemas, components = msgspec.json.schema_components((*types, ErrorBody), ref_template=REFERENCE)
    return dict(zip((*types, ErrorBody), schemas, strict=True)), components


def alternatives(answer: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the types of which an answer, or a field of it, is one: msgspec sees only that it refers to them."""
    is_struct = isinstance(answer, type) and issubclass(answer, msgspec.Struct)
    for holder in [field.type for field in msgspec.structs.fields(answer)] if is_struct else [answer]:
        for note in getattr(holder, "__metadata__", ()):
            yield from (note.extra or {}).get("any_of", ())


def is_serializer(answer: Any) -> bool:
    """Return whether an answer is described by a serializer; else it is a type that msgspec knows."""
    return isinstance(answer, BaseSerializer) or (
        isinstance(answer, type) and issubclass(answer, BaseSerializer)
    )


class OperationSchema(AutoSchema):
    """Writes the description of one method of an Endpoint."""

    view: Endpoint  # type: ignore[override]

    #: All types that the routes answer with; `pulse.openapi.document` sets it.
    types: tuple[Any, ...] = ()

    @property
    def operation(self) -> Operation:
        """What the method declares."""
        operation = operation_of(self.view, self.method)
        if operation is None:
            raise LookupError(f"{type(self.view).__name__} declares nothing for {self.method}")
        return operation

    def get_operation_id(self) -> str:
        """Return a name from method and path: `get_config_nodes_node_id_test`."""
        path = self.path.removeprefix("/api/").replace(".", "_").replace("-", "_")
        parts = [part.strip("{}") or "all" for part in path.split("/")]
        return "_".join([self.method.lower(), *parts])

    def get_tags(self) -> list[str]:
        """Return the subject."""
        return [str(self.operation.tag)]

    def get_summary(self) -> str:
        """Return the first line of the method's docstring."""
        return self.words().partition("\n")[0]

    def get_description(self) -> str:  # type: ignore[override]
        """Return the rest of it, and who may ask how often."""
        access, limit = self.operation.access, self.limit
        parts = [self.words().partition("\n")[2].strip(), access_words(access), limit_words(limit)]
        return "\n\n".join(part for part in parts if part)

    @property
    def limit(self) -> Limit | None:
        """How often one client may ask."""
        policy: Policy = self.view.policy
        return policy.limit_of(self.method)

    def words(self) -> str:
        """Return the docstring of the method."""
        return inspect.getdoc(getattr(self.view, self.method.lower())) or ""

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Return how a caller proves who it is; nothing for what everybody may ask."""
        return [] if self.operation.access is Access.PUBLIC else SECURITY

    def map_parsers(self) -> list[str]:
        """Return that bodies are JSON: whatever their Content-Type, they are read as that."""
        return ["application/json"]

    def map_renderers(self, attribute: str) -> list[str]:
        """Return what is answered."""
        return [self.operation.media_type]

    def get_override_parameters(self) -> list[Any]:
        """Return the declared parameters."""
        return [
            OpenApiParameter(
                name,
                {"type": "string", "enum": list(declared.choices)} if declared.choices else str,
                OpenApiParameter.PATH if f"{{{name}}}" in self.path else OpenApiParameter.QUERY,
                required=f"{{{name}}}" in self.path,
                description=declared.text,
            )
            for name, declared in self.operation.parameters.items()
            if f"{{{name}}}" in self.path or self.method == "GET"
        ]

    def get_request_serializer(self) -> Any:
        """Return what checks the body."""
        return self.operation.takes

    def _get_request_body(self, direction: Any = "request") -> Json | None:
        if self.operation.takes is None:
            return None
        body: Json = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        return body | {"required": True}

    def get_response_serializers(self) -> Any:
        """Return what is answered, by status."""
        components, _ = shapes(self.types)
        return {
            status: OpenApiResponse(
                answer if answer is None or is_serializer(answer) else components[answer],
                description=done_words(status),
            )
            for status, answer in self.operation.answers.items()
        }

    def _get_response_bodies(self, direction: Any = "response") -> Json:
        answers: Json = super()._get_response_bodies(direction)
        if self.limit is not None:
            answers = {status: answer | {"headers": LIMIT_HEADERS} for status, answer in answers.items()}
        if self.operation.also_as:
            answers["200"]["content"][self.operation.also_as] = {"schema": {"type": "string"}}
        own = dict(self.operation.refuses)
        if self.operation.takes is not None:
            own.setdefault(400, BODY_REFUSAL)
        for status in self.refused_statuses() - own.keys():
            answers[str(status)] = {"$ref": f"#/components/responses/Refused{status}"}
        for status, refusal in own.items():
            answers[str(status)] = refusal_answer(status, refusal)
        return dict(sorted(answers.items()))

    def refused_statuses(self) -> set[int]:
        """Return the statuses that any request to this route may be refused with."""
        statuses = {400, 413, 500, 503}
        if self.operation.access is not Access.PUBLIC:
            statuses |= {401, 403, 429}
        if self.limit is not None:
            statuses.add(429)
        if "{" in self.path:
            statuses.add(404)
        if self.operation.takes is not None:
            statuses.add(408)
        return statuses

    def get_operation(self, path: str, *arguments: Any) -> Json | None:
        """Return the description with the examples of its parameters."""
        described: Json | None = super().get_operation(path, *arguments)
        for parameter in (described or {}).get("parameters", ()):
            parameter["example"] = self.operation.parameters[parameter["name"]].example
        return described


def access_words(access: Access) -> str:
    """Return who may ask."""
    if access is Access.PUBLIC:
        return ""
    return "Needs a credential." if access is Access.PAGE else f"Needs the scope `{access}`."


def limit_words(limit: Limit | None) -> str:
    """Return how often one client may ask."""
    if limit is None:
        return ""
    return (
        f"At most {limit.count} requests in {limit.seconds} seconds from one client, whatever their outcome."
    )


def done_words(status: int) -> str:
    """Return what a good status says."""
    return {200: "Done.", 201: "Made.", 304: "Nothing has changed."}[status]


class TruthExtension(OpenApiSerializerFieldExtension):
    """Describes a JSON truth value."""

    target_class = "pulse.lib.fields.TruthField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        return {"type": "boolean"}


class WholeExtension(OpenApiSerializerFieldExtension):
    """Describes a whole number within bounds."""

    target_class = "pulse.lib.fields.WholeField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        return {"type": "integer", "minimum": self.target.lowest, "maximum": self.target.highest}


class NumberExtension(OpenApiSerializerFieldExtension):
    """Describes a number within bounds."""

    target_class = "pulse.lib.fields.NumberField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        return {"type": "number", "minimum": self.target.lowest, "maximum": self.target.highest}


class TextsExtension(OpenApiSerializerFieldExtension):
    """Describes a list of texts."""

    target_class = "pulse.lib.fields.TextsField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        return {"type": "array", "minItems": 1, "maxItems": self.target.most, "items": {"type": "string"}}


class MomentExtension(OpenApiSerializerFieldExtension):
    """Describes an instant in a body."""

    target_class = "pulse.lib.fields.MomentField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        return {"oneOf": [{"type": "string"}, {"type": "integer"}]}


class ChoicesExtension(OpenApiSerializerFieldExtension):
    """Describes a list of some of several texts."""

    target_class = "pulse.lib.fields.ChoicesField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        return {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "enum": list(self.target.choices)},
        }


class TextMapExtension(OpenApiSerializerFieldExtension):
    """Describes an object of texts."""

    target_class = "pulse.lib.fields.TextMapField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        return {"type": "object", "additionalProperties": {"type": "string"}}


class InstanceExtension(OpenApiSerializerExtension):
    """Describes an instance: what it leaves out when it is empty need not be there."""

    target_class = "nodes.serializers.InstanceSerializer"

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        schema: Json = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        omitted = {*self.target.OMITTED_WHEN_EMPTY, "certificateRenewed", "failingSince", "lastSeen"}
        return schema | {"required": [name for name in schema.get("required", ()) if name not in omitted]}


class InstantExtension(OpenApiSerializerFieldExtension):
    """Describes an instant."""

    target_class = "pulse.lib.fields.InstantField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Json:
        """Return its schema."""
        return {"type": "string", "format": "date-time"}


def nullable(properties: Mapping[str, Json], required: Iterable[str]) -> dict[str, Json]:
    """Return the fields of a body: null is as good as absent (http-api.md 1.1), where a field may be absent."""
    return {
        name: schema
        if name in required or "type" not in schema
        else schema | {"type": [schema["type"], "null"]}
        for name, schema in properties.items()
    }

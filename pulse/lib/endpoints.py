"""The base of every route under `/api`: a REST framework view that says in one place who may call it and what it answers.

The door (`accounts.door`) has decided before a view runs: REST framework neither authenticates nor negotiates again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from pulse.lib.auth import Access, Limit, Policy
from pulse.lib.body import read_json_object
from pulse.lib.fields import read_fields

Method = TypeVar("Method", bound=Callable[..., HttpResponseBase])


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the path, or else something behind the `?` of an address, which is never required."""

    text: str
    example: str
    choices: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """The code of a refusal, and when it is given, in words."""

    code: str
    text: str


class Done(msgspec.Struct):
    """That it is done."""

    success: bool = True


class Tag(StrEnum):
    """The subjects by which the document lists the operations, in its order."""

    MONITORING = "Monitoring"
    BACKUPS = "Backups"
    INSTANCES = "Instances"
    DIAGNOSTICS = "Diagnostics"
    ACCESS = "Access"
    ABOUT = "About"


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of a route demands, takes and answers; used as a decorator.

    `answers` holds by status a type that msgspec describes, a serializer, or None for an answer that is no JSON; `refuses`
    holds the refusals of this operation alone, those of the door are added (`pulse.openapi`). `also_as` is a media type in which
    the good answer comes as text when it is asked for. `limit` is of this method alone, where
    the route has none. The first line of the
    method's docstring is the summary in the OpenAPI document, the rest of it the description.
    """

    access: Access
    tag: Tag
    answers: Mapping[int, Any]
    takes: type[Serializer[Any]] | None = None
    refuses: Mapping[int, Refusal] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    media_type: str = "application/json"
    also_as: str = ""
    limit: Limit | None = None

    def __call__(self, method: Method) -> Method:
        """Declare it on the method of a view."""
        method.operation = self  # type: ignore[attr-defined]
        return method


def operation_of(view: Any, method: str) -> Operation | None:
    """Return what a view or its class declares for a method such as `GET`, None when it does not answer it."""
    declared = getattr(getattr(view, method.lower(), None), "operation", None)
    return declared if isinstance(declared, Operation) else None


class Endpoint(APIView):
    """Answers with `Response(...)`; a method without a declared operation is refused by the door.

    `limit` counts every request to the route, whatever its method. `calls_hosts` says that a GET calls other machines.
    """

    limit: ClassVar[Limit | None] = None
    calls_hosts: ClassVar[bool] = False
    policy: ClassVar[Policy]

    def __init_subclass__(cls, **options: Any) -> None:
        """Gather what the methods declare: it is all that the door looks at."""
        super().__init_subclass__(**options)
        declared = {name.upper(): operation_of(cls, name) for name in cls.http_method_names}
        cls.policy = Policy(
            {name: operation.access for name, operation in declared.items() if operation is not None},
            limit=cls.limit,
            limits={
                name.upper(): operation.limit
                for name in cls.http_method_names
                if (operation := operation_of(cls, name)) is not None and operation.limit is not None
            },
            calls_hosts=cls.calls_hosts,
        )

    @property
    def default_response_headers(self) -> dict[str, str]:
        """REST framework would tell the allowed methods with every answer."""
        return {}

    def taken(self, request: HttpRequest) -> dict[str, Any]:
        """Return the fields of the body that the declared serializer knows, checked; raises 400 for anything else."""
        declared = operation_of(self, str(request.method))
        if declared is None or declared.takes is None:
            raise TypeError(f"{type(self).__name__} declares no serializer for {request.method}")
        return read_fields(declared.takes, read_json_object(request))


class PreparedEndpoint(Endpoint):
    """Answers with bytes that are made already, at once: no request of REST framework's own, no renderer."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Return the request as Django has it."""
        return request  # type: ignore[return-value]

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Do nothing: there is nothing to negotiate, and the door has asked who calls."""

    def finalize_response(  # type: ignore[override]
        self, request: HttpRequest, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Return the answer as it is."""
        return response

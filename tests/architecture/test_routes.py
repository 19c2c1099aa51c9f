"""Every route, by every method, for every kind of caller: who gets in is what `policy.csv` says, and nothing else.

The views are replaced by one that lets through, so that the door alone is looked at. Source: README.md decision 1 of
the contract; security.md A1.
"""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver, path
from django.utils import timezone
from rest_framework.views import APIView

import pulse.urls
from accounts import tokens
from pulse.lib.auth import Access, policy, policy_of
from pulse.routing import websocket_urlpatterns
from tests.accounts.fixtures import LOCAL, REMOTE
from tests.architecture.routes import Route, all_routes

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE")
SAFE = ("GET", "HEAD")

#: access -> caller -> status. Order: public, page, monitoring:read, metrics:read, settings:read, settings:write,
#: alerts:write, admin, django-admin, session. 200 stands for "let through".
ACCESSES = (
    "public",
    "page",
    "monitoring:read",
    "metrics:read",
    "settings:read",
    "settings:write",
    "alerts:write",
    "admin",
    "django-admin",
    "session",
)
EXPECTED = {
    "a stranger on a fresh install": (200, 302, 401, 401, 401, 401, 401, 401, 302, 302),
    "a stranger": (200, 302, 401, 401, 401, 401, 401, 401, 302, 302),
    "this machine on a fresh install": (200, 200, 200, 200, 200, 200, 200, 401, 302, 302),
    "this machine once configured": (200, 302, 401, 401, 401, 401, 401, 401, 302, 302),
    "this machine, required": (200, 302, 401, 401, 401, 401, 401, 401, 302, 302),
    "a stranger, open": (200, 200, 200, 200, 200, 200, 200, 401, 302, 302),
    "token monitoring:read": (200, 200, 200, 200, 403, 403, 403, 403, 401, 403),
    "token metrics:read": (200, 200, 403, 200, 403, 403, 403, 403, 401, 403),
    "token settings:read": (200, 200, 403, 403, 200, 403, 403, 403, 401, 403),
    "token settings:write": (200, 200, 403, 403, 403, 200, 403, 403, 401, 403),
    "token alerts:write": (200, 200, 403, 403, 403, 403, 200, 403, 401, 403),
    "token admin": (200, 200, 200, 200, 200, 200, 200, 200, 401, 403),
    "a revoked token": (200, 401, 401, 401, 401, 401, 401, 401, 401, 401),
    "an expired token": (200, 401, 401, 401, 401, 401, 401, 401, 401, 401),
    "the API_TOKEN": (200, 200, 200, 200, 200, 200, 200, 200, 401, 403),
    "a superuser": (200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "staff": (200, 200, 200, 200, 200, 200, 200, 403, 404, 200),
    "a plain user": (200, 200, 200, 200, 403, 403, 403, 403, 404, 200),
    "a disabled superuser": (200, 302, 401, 401, 401, 401, 401, 401, 302, 302),
    "a superuser without proof": (200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
    "a superuser with a wrong token": (200, 401, 401, 401, 401, 401, 401, 401, 200, 401),
}


def declared() -> dict[tuple[str, str], str]:
    """Return (route, method) -> access as the file has it."""
    with (Path(__file__).parent / "policy.csv").open(newline="") as file:
        return {(row["route"], row["method"]): row["access"] for row in csv.DictReader(file)}


def name_of(route: Route) -> str:
    """Return the name of a route in the file: Django's admin is one."""
    return "admin/*" if route.is_admin else route.pattern


@pytest.fixture
def client_of(settings, token_client, session_client, make_user, with_api_token):
    """Return a client for each kind of caller; anything but a fresh install has an API_TOKEN."""
    configured = settings.API_TOKEN_DIGEST

    def token_of(*, expires_at=None, revoked=False):
        token, text = tokens.issue(
            name="old", scopes=[Access.ADMIN], at=timezone.now() - timedelta(days=9), expires_at=expires_at
        )
        if revoked:
            tokens.revoke(token, at=timezone.now())
        return Client(HTTP_X_API_TOKEN=text, **REMOTE)

    def make(name: str) -> Client:
        settings.PULSE_ALLOWED_HOSTS = ["pulse.test"]
        settings.PULSE_AUTH = (
            "open" if name.endswith("open") else "required" if "required" in name else "auto"
        )
        settings.API_TOKEN_DIGEST = "" if "fresh" in name or "required" in name else configured
        kind, _, scope = name.partition(" ")
        if kind == "token":
            return token_client(scope)
        if name.startswith("this machine"):
            return Client(enforce_csrf_checks=True, **LOCAL)
        if name.startswith("a stranger"):
            return Client(enforce_csrf_checks=True, **REMOTE)
        if name == "a revoked token":
            return token_of(revoked=True)
        if name == "an expired token":
            return token_of(expires_at=timezone.now() - timedelta(days=1))
        if name == "the API_TOKEN":
            return Client(HTTP_AUTHORIZATION=f"Bearer {with_api_token}", **REMOTE)
        client = session_client(
            is_superuser="superuser" in name, is_staff="superuser" in name or name == "staff"
        )
        if name == "a disabled superuser":
            user = User.objects.get()
            user.is_active = False
            user.save()
        if name.endswith("wrong token"):
            client.defaults["HTTP_X_API_TOKEN"] = "pulse_wrong"
        return client

    return make


def let_through(client: Client) -> Client:
    """Let the client meet, behind the real door, a view that answers 200 to everything."""
    resolve = client.handler.resolve_request

    def resolve_request(request):
        match = resolve(request)
        view = match.func

        def stand_in(request, *args, **kwargs):
            return HttpResponse("let through")

        stand_in.policy = policy_of(view)
        match.func = stand_in
        request.resolver_match = match
        return match

    client.handler.resolve_request = resolve_request
    return client


def demanded() -> dict[tuple[str, str], str]:
    """Return (route, method) -> access as the views declare it; `undeclared` for one that declares nothing."""
    return {
        (name_of(route), method): str(access)
        for route in all_routes()
        for method, access in (
            {"GET": Access.DJANGO_ADMIN, "POST": Access.DJANGO_ADMIN}
            if route.is_admin
            else getattr(policy_of(route.view), "methods", {"any": "undeclared"})
        ).items()
    }


def test_the_file_names_exactly_the_routes_that_exist_with_what_they_declare():
    assert demanded() == declared()


@pytest.fixture
def with_forgotten_routes(settings):
    """Add a route whose view declares nothing, and one whose view is nowhere in the file."""

    def forgotten(request):
        return HttpResponse("in")

    @policy(GET=Access.PUBLIC)
    def unlisted(request):
        return HttpResponse("in")

    urls = ModuleType("urls_with_forgotten_routes")
    urls.urlpatterns = [
        path("api/forgotten", forgotten),
        path("api/unlisted", unlisted),
        *pulse.urls.urlpatterns,
    ]
    settings.ROOT_URLCONF = urls


def test_a_route_that_is_forgotten_is_seen(with_forgotten_routes):
    assert demanded().items() - declared().items() == {
        (("api/forgotten", "any"), "undeclared"),
        (("api/unlisted", "GET"), "public"),
    }


def without_rest_framework() -> list[str]:
    """Return the routes of the API whose view is none of REST framework's."""
    return [
        route.pattern
        for route in all_routes()
        if route.pattern.startswith("api") and not issubclass(getattr(route.view, "cls", object), APIView)
    ]


def test_every_route_of_the_api_is_a_view_of_rest_framework():
    assert without_rest_framework() == []


def test_a_plain_view_under_the_api_is_seen(with_forgotten_routes):
    assert without_rest_framework() == ["api/forgotten", "api/unlisted"]


@pytest.mark.parametrize("method", METHODS)
def test_a_route_that_declares_nothing_is_closed_to_everybody(method, with_forgotten_routes, session_client):
    client = session_client(is_superuser=True)

    response = client.generic(method, "/api/forgotten", HTTP_ORIGIN="http://pulse.test")

    assert response.status_code == 500
    assert response.content != b"in"


def test_every_route_is_reached_by_its_sample():
    """Or the tests of who gets in would look at another route."""
    astray = [
        route.pattern
        for route in all_routes()
        if not route.is_admin and get_resolver().resolve(route.path).func is not route.view
    ]

    assert astray == []


def test_every_websocket_leads_to_the_consumer_that_asks_the_door():
    consumers = {pattern.callback.consumer_class.__name__ for pattern in websocket_urlpatterns}
    resolvers = {
        pattern.callback.consumer_initkwargs["resolve"].__module__ for pattern in websocket_urlpatterns
    }

    assert consumers == {"FeedConsumer"}
    assert resolvers == {"pulse.routing"}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_a_caller_gets_in_where_the_file_says(name, client_of):
    client = let_through(client_of(name))
    by_access = dict(zip(ACCESSES, EXPECTED[name], strict=True))
    policies = declared()
    differences = []
    for route in all_routes():
        for method in METHODS:
            caches["limits"].clear()
            access = policies.get((name_of(route), "GET" if method == "HEAD" else method))
            expected = 405 if access is None else by_access[access]
            # A refusal leads to the sign-in only when a page was asked for.
            if expected == 302 and method not in SAFE:
                expected = 401
            proof = (
                {}
                if name.endswith("without proof")
                else {"HTTP_ORIGIN": f"http://{client.defaults['HTTP_HOST']}"}
            )
            if not proof and method not in SAFE and access is not None:
                expected = 403

            response = client.generic(method, route.path, **proof)

            if response.status_code != expected:
                differences.append(f"{method} {route.path}: {response.status_code}, expected {expected}")

    assert differences == []


def test_a_view_without_a_declaration_is_closed(api):
    client = let_through(api)
    resolve = client.handler.resolve_request

    def undeclared(request):
        match = resolve(request)
        match.func.policy = None
        return match

    client.handler.resolve_request = undeclared

    response = client.get("/api/state")

    assert response.status_code == 500
    assert response.json()["error"] == "this route is closed: it does not say who may use it"

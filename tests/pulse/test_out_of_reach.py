"""A database that does not answer: 503 and when to come back, for programs and for people."""

from __future__ import annotations

import pytest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path

from pulse import pages
from pulse.lib.auth import Access, policy

ERRORS = {"operational": OperationalError, "interface": InterfaceError, "ours": RuntimeError}


@policy(GET=Access.PUBLIC)
def broken(request: HttpRequest, kind: str) -> HttpResponse:
    """Fail as a query does while the server is away, or as a mistake of ours."""
    raise ERRORS[kind]("connection refused to db.internal")


urlpatterns = [
    path("", pages.home, name="home"),  # pages of errors lead there
    path("api/broken/<kind>", broken),
    path("broken/<kind>", broken),
]
handler500 = "pulse.lib.errors.handler500"


@pytest.fixture
def asking(client, settings):
    """A client of the routes above, to which errors come as answers."""
    settings.ROOT_URLCONF = __name__
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("kind", ["operational", "interface"])
def test_the_api_answers_503_with_when_to_come_back(asking, kind):
    answer = asking.get(f"/api/broken/{kind}")

    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert answer["Retry-After"] == "5"


def test_a_page_says_so_to_people(asking):
    answer = asking.get("/broken/operational")

    assert answer.status_code == 503
    assert "The database does not answer" in answer.content.decode()


@pytest.mark.parametrize(
    "address", ["/api/broken/operational", "/broken/operational", "/api/broken/ours", "/broken/ours"]
)
def test_nothing_of_the_error_is_told(asking, address):
    assert b"db.internal" not in asking.get(address).content


@pytest.mark.parametrize("address", ["/api/broken/ours", "/broken/ours"])
def test_any_other_error_stays_a_500(asking, address):
    assert asking.get(address).status_code == 500

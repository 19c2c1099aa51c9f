"""Error pages for people, in the look of the product."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

TITLES = {
    400: (
        "This request cannot be read",
        "The address or a header of the request is not one that Pulse serves.",
    ),
    403: (
        "This is not allowed",
        "Sign in with an account that may do this, or reload the page and try again.",
    ),
    404: ("There is nothing here", "The address may be mistyped, or the thing it named is gone."),
    500: (
        "Something went wrong",
        "The log of Pulse has the details. Nothing you entered was changed by halves.",
    ),
    503: (
        "The database does not answer",
        "It cannot be reached or is too busy. Pulse tries again with every request.",
    ),
}


def error_page(request: HttpRequest, status: int) -> HttpResponse:
    """Return the page for a status of TITLES; it runs no query."""
    title, text = TITLES[status]
    body = render_to_string("error.html", {"status": status, "title": title, "text": text})
    return HttpResponse(body, status=status)

"""Sessions of people: the names and flags of cookies, and when a session ends by itself.

12 hours without a request or 7 days in all end a session; one that is to be remembered lasts 30 days (security.md A.3).
The end is the session's own expiry, so that every reader of the session sees it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from pulse.lib import saving
from pulse.lib.instants import AHEAD, from_epoch

logger = logging.getLogger(__name__)

SIGNED_IN = "signed_in_at"
TOUCHED = "touched_at"
REMEMBERED = "is_remembered"

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=7)
ABSOLUTE_REMEMBERED = timedelta(days=30)
#: A session is written at most this often because of its use.
TOUCH_RESOLUTION = timedelta(minutes=10)
#: A session that is over is deleted so much later: a clock that was a day ahead for a while has ended it for that while only.
KEPT = timedelta(days=2)


SESSION_COOKIE = "pulse_session"
#: Written by the pages themselves.
THEME_COOKIE = "pulse_theme"
#: All cookies that there are, and what follows the prefix in the protected name of each.
COOKIES = {SESSION_COOKIE: "pulse", "pulse_csrf": "pulse_csrf", THEME_COOKIE: "pulse_theme"}


class PulseSessionMiddleware(SessionMiddleware):
    """Django's sessions, and all cookies under a protected name whenever the client came by TLS."""

    def process_request(self, request: HttpRequest) -> None:
        """Open the session of the cookie that belongs to the scheme; the other one is not looked at."""
        take_cookies(request)
        super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Save the session and set its cookie; every cookie of a TLS answer is `Secure`."""
        super().process_response(request, response)
        if request.is_secure():
            secure_cookies(response)
        return response


def take_cookies(request: HttpRequest) -> None:
    """Put the cookies of the request's scheme under the plain names by which Django knows them, and drop the others.

    Scripts set the cookie of the theme, and behind a proxy that is not trusted they know better that there is TLS:
    a protected one is taken in any case.
    """
    for plain in COOKIES:
        value = request.COOKIES.pop(cookie_name("https", plain), None)
        if request.is_secure():
            request.COOKIES.pop(plain, None)
        if value is not None and (request.is_secure() or plain == THEME_COOKIE):
            request.COOKIES[plain] = value


def secure_cookies(response: HttpResponseBase) -> None:
    """Mark all cookies for TLS only and give them their protected names."""
    for plain, cookie in list(response.cookies.items()):
        cookie["secure"] = True
        if plain in COOKIES:
            del response.cookies[plain]
            name = cookie_name("https", plain)
            response.cookies[name] = cookie.value
            response.cookies[name].update(cookie)


def cookie_name(scheme: str, plain: str = SESSION_COOKIE) -> str:
    """Return the name of a cookie, by default the session's, for clients of this scheme.

    `__Host-` makes browsers refuse the cookie from any other host or without TLS, and demands the path `/`. Under a
    path of a name that others share, the cookie is for that path alone: then TLS is all that the name can demand.
    """
    if scheme != "https":
        return plain
    return ("__Secure-" if settings.PULSE_URL_PREFIX else "__Host-") + COOKIES[plain]


def note_sign_in(sender: object, request: HttpRequest, user: AbstractBaseUser, **kwargs: object) -> None:
    """Start the clocks of a new session; receives `user_logged_in`."""
    begin(request.session, at=timezone.now())


def note_sign_out(
    sender: object, request: HttpRequest, user: AbstractBaseUser | None, **kwargs: object
) -> None:
    """Log that somebody has left, by whatever way out; receives `user_logged_out`."""
    if user is not None:
        logger.info("%s signed out", user.get_username())


def begin(session: SessionBase, *, at: datetime, is_remembered: bool = False) -> None:
    """Set when the session was opened and thereby when it ends."""
    session[SIGNED_IN] = int(at.timestamp())
    session[REMEMBERED] = is_remembered
    extend(session, at=at)


def touch(session: SessionBase, *, at: datetime) -> None:
    """Note that the session is in use, so that it does not end as idle; who only reads need not be able to save that."""
    if saving.is_refused():
        return
    if not 0 <= at.timestamp() - session.get(TOUCHED, 0) < TOUCH_RESOLUTION.total_seconds():
        extend(session, at=at)


def extend(session: SessionBase, *, at: datetime) -> None:
    """Move the end of the session as far as its age allows.

    One that was opened by a clock that was ahead counts as opened now: no step of the clock makes it last longer than it may.
    """
    opened_at = from_epoch(min(session.get(SIGNED_IN, 0), int(at.timestamp())))
    session[SIGNED_IN] = int(opened_at.timestamp())
    if session.get(REMEMBERED):
        end = opened_at + ABSOLUTE_REMEMBERED
    else:
        end = min(opened_at + ABSOLUTE, at + IDLE)
    session[TOUCHED] = int(at.timestamp())
    session.set_expiry(end)


def signed_in_at(session: SessionBase) -> datetime:
    """Return when the password was given; long ago for a session that does not say."""
    return from_epoch(session.get(SIGNED_IN, 0))


def is_younger(session: SessionBase, span: timedelta, *, at: datetime) -> bool:
    """Return whether the password was given at most so long ago; not by a clock that was ahead, since when nobody knows."""
    return -AHEAD <= at - signed_in_at(session) <= span

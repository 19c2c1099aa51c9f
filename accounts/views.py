"""Pages about who one is: sign in, sign out, change the own password, claim a fresh installation."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import claim, lockout, refusals, sessions
from accounts.credentials import Shown, caller_by_token
from accounts.forms import ClaimForm, PasswordForm, SignInForm
from accounts.fresh import is_configured
from accounts.models import LoopbackEnd
from pulse.lib import limits
from pulse.lib.auth import Access, Limit, policy
from pulse.lib.clients import arrival_of, limit_key
from pulse.lib.errors import ApiError

logger = logging.getLogger(__name__)

#: Tries from one client, whatever the account: one client must not try every account.
SIGN_INS = Limit("sign-in", 30, 300)
CLAIMS = Limit("claim", 10, 300)
#: The same words for an unknown name, a wrong password and a disabled account.
WRONG = "This name and password do not go together."


@policy(GET=Access.PUBLIC, POST=Access.PUBLIC)
@sensitive_post_parameters("password")
@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the form; open a session and go on to `next`, which never leads to another site."""
    if request.method != "POST":
        return sign_in_page(request, SignInForm())
    form = SignInForm(request.POST)
    if not form.is_valid():
        return sign_in_page(request, form, problem=WRONG, status=401)
    given, at = form.cleaned_data, timezone.now()
    wait = wait_of(request, SIGN_INS) or lockout.take(given["username"], address_of(request), at=at)
    if wait:
        return sign_in_page(request, form, problem=too_many(wait), status=429, wait_seconds=wait)
    try:
        user = authenticate(request, username=given["username"], password=given["password"])
    except ApiError:  # too many hash at this moment: a crowd must not lock anybody out
        lockout.give_back(given["username"], address_of(request), at=at)
        raise
    if user is None:
        logger.info("a sign-in from %s failed", address_of(request))
        return sign_in_page(request, form, problem=WRONG, status=401)
    lockout.forget(given["username"], address_of(request))
    if request.user.is_authenticated:
        request.session.cycle_key()  # Django keeps the name of the session for somebody who is signed in already
    login(request, user)
    sessions.begin(request.session, at=timezone.now(), is_remembered=given["remember"])
    logger.info("%s signed in from %s", user.get_username(), address_of(request))
    return HttpResponseRedirect(next_of(request))


@policy(POST=Access.PUBLIC)
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return HttpResponseRedirect(reverse("login"))


@policy(GET=Access.SESSION, POST=Access.SESSION)
@sensitive_post_parameters("old_password", "password", "password_again")
@never_cache
def change_password(request: HttpRequest) -> HttpResponse:
    """Show the form; a new password ends all other sessions of the account, and this one goes on under another key.

    Whoever sits down at an open page must not guess the old one: a try counts as one to sign in does.
    """
    assert isinstance(request.user, User)  # noqa: S101  the door has let in sessions only
    user = request.user
    if request.method != "POST":
        return password_page(request, PasswordForm(user))
    form = PasswordForm(user, request.POST)
    if not form.is_valid():
        return password_page(request, form, status=400)
    name, address, at = user.get_username(), address_of(request), timezone.now()
    wait = wait_of(request, SIGN_INS) or lockout.take(name, address, at=at)
    if wait:
        return password_page(request, form, problem=too_many(wait), status=429, wait_seconds=wait)
    try:
        is_right = user.check_password(form.cleaned_data["old_password"])
    except ApiError:  # as at the sign-in
        lockout.give_back(name, address, at=at)
        raise
    if not is_right:
        logger.info("a change of the password of %s from %s failed", name, address)
        form.add_error("old_password", "This is not your password.")
        return password_page(request, form, status=401)
    lockout.forget(name, address)
    user.set_password(form.cleaned_data["password"])
    user.save(update_fields=["password"])
    update_session_auth_hash(request, user)
    messages.success(request, "Your password is changed. All other sessions of this account have ended.")
    return HttpResponseRedirect(reverse("password"))


@policy(GET=Access.PUBLIC, POST=Access.PUBLIC)
@sensitive_post_parameters("code", "password", "password_again")
@never_cache
def set_up(request: HttpRequest) -> HttpResponse:
    """Make the first account for whoever knows the one-time code; 404 for ever once there is one."""
    if claim.is_claimed():
        raise Http404
    if request.method != "POST":
        return set_up_page(request, ClaimForm())
    wait = wait_of(request, CLAIMS)
    form = ClaimForm(request.POST)
    if wait:
        return set_up_page(request, form, problem=too_many(wait), status=429, wait_seconds=wait)
    if not may_claim(request, form["code"].value() or ""):
        if claim.is_claimed():
            return set_up_page(request, form, problem="Somebody else has just set up this Pulse.", status=409)
        logger.info("a claim from %s failed", address_of(request))
        form.errors.pop("password", None)  # rules for passwords are told to whoever knows the code
        return set_up_page(request, form, problem="This code is not right.", status=401)
    if not form.is_valid():
        return set_up_page(request, form, status=400)
    return claim_with(request, form)


def claim_with(request: HttpRequest, form: ClaimForm) -> HttpResponse:
    """Make the account of a valid form and sign it in."""
    given = form.cleaned_data
    try:
        user = claim.claim(username=given["username"], password=given["password"], at=timezone.now())
    except claim.ClaimError as error:
        status = 409 if isinstance(error, claim.AlreadyClaimed) else 400
        return set_up_page(request, form, problem=f"{error}.".capitalize(), status=status)
    login(request, user)
    return HttpResponseRedirect(reverse("home"))


def may_claim(request: HttpRequest, proof: str) -> bool:
    """Return whether the text is the one-time code, or a token that may do everything already."""
    if claim.is_code(proof):
        return True
    try:
        caller = caller_by_token(Shown(proof.strip()), arrival_of(request), at=timezone.now())
    except ApiError:
        return False
    return caller is not None and caller.may(Access.ADMIN)


def sign_in_page(
    request: HttpRequest, form: SignInForm, *, problem: str = "", status: int = 200, wait_seconds: int = 0
) -> HttpResponse:
    """Return the page with the form."""
    context = {"form": form, "next": next_of(request), "can_set_up": not claim.is_claimed()}
    return form_page(request, "auth/login.html", context, problem, status, wait_seconds)


def password_page(
    request: HttpRequest, form: PasswordForm, *, problem: str = "", status: int = 200, wait_seconds: int = 0
) -> HttpResponse:
    """Return the page with the form and the rules."""
    return form_page(request, "auth/password.html", {"form": form}, problem, status, wait_seconds)


def set_up_page(
    request: HttpRequest, form: ClaimForm, *, problem: str = "", status: int = 200, wait_seconds: int = 0
) -> HttpResponse:
    """Return the page with the form and the other two ways in."""
    context = {"form": form, "is_configured": is_configured(), "end": LoopbackEnd.objects.first()}
    return form_page(request, "auth/setup.html", context, problem, status, wait_seconds)


def form_page(
    request: HttpRequest, template: str, context: dict[str, Any], problem: str, status: int, wait_seconds: int
) -> HttpResponse:
    """Return a page with a form, and what was wrong with its last use."""
    response = render(request, template, {**context, "problem": problem}, status=status)
    if wait_seconds:
        text = f"{request.path_info} was refused to {address_of(request)}: too many tries"
        refusals.tell(f"tries{request.path_info}", address_of(request), text)
        response.headers["Retry-After"] = str(wait_seconds)
    return response


def wait_of(request: HttpRequest, limit: Limit) -> int:
    """Count a try of this client; 0 when it may go on, else the seconds to wait."""
    return limits.hit(limit, limit_key(address_of(request))).wait_seconds


def too_many(wait_seconds: int) -> str:
    """Return the sentence that tells how long to wait."""
    minutes = -(-wait_seconds // 60)
    span = f"{wait_seconds} seconds" if wait_seconds < 60 else f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"Too many tries. Try again in {span}."


def address_of(request: HttpRequest) -> str:
    """Return the address of the client."""
    return arrival_of(request).address


def next_of(request: HttpRequest) -> str:
    """Return where to go after the sign-in: a path of this site, else the start page."""
    home = reverse("home")
    target = request.POST.get("next") or request.GET.get("next") or home
    is_safe = target.startswith(home) and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return target if is_safe else home

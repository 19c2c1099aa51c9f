"""Pages to come in: sign-in, sign-out, claiming a fresh installation."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import claim
from accounts.attempts import CLAIM, SIGN_IN, Allowance, forget, is_locked, note_failure
from accounts.door import address_of, own_host, own_scheme
from accounts.forms import ClaimForm, SignInForm
from pulse.lib.auth import Access, policy

BACKEND = "django.contrib.auth.backends.ModelBackend"
WRONG = "Name or password is not right."
TOO_MANY = "Too many tries. Wait a few minutes, then try again."


@policy(GET=Access.PUBLIC, POST=Access.PUBLIC)
@sensitive_post_parameters("password")
@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the form; sign in and go on to `next`, which never leads to another site."""
    form = SignInForm(request.POST or None)
    problem = ""
    if request.method == "POST" and form.is_valid():
        name, address = form.cleaned_data["username"], address_of(request)
        if is_locked(SIGN_IN, address, name):
            return too_many(request, "auth/login.html", form, SIGN_IN)
        user = authenticate(request, username=name, password=form.cleaned_data["password"])
        if user is not None:
            forget(SIGN_IN, address, name)
            login(request, user)
            return HttpResponseRedirect(next_of(request))
        note_failure(SIGN_IN, address, name)
        problem = WRONG
    context = {"form": form, "problem": problem, "next": next_of(request), "can_claim": claim.is_open()}
    return render(request, "auth/login.html", context, status=401 if problem else 200)


@policy(POST=Access.PUBLIC)
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return HttpResponseRedirect("/login")


@policy(GET=Access.PUBLIC, POST=Access.PUBLIC)
@sensitive_post_parameters("code", "password", "password_again")
@never_cache
def set_up(request: HttpRequest) -> HttpResponse:
    """Claim a fresh installation with the one-time code; 404 for ever once it is claimed."""
    if not claim.is_open():
        raise Http404
    claim.ensure_code()
    form = ClaimForm(request.POST or None)
    address = address_of(request)
    if request.method == "POST" and is_locked(CLAIM, address):
        return too_many(request, "auth/setup.html", form, CLAIM)
    problem = ""
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            user = claim.claim(code=given["code"], username=given["username"], password=given["password"])
        except claim.ClaimRefused as refused:
            note_failure(CLAIM, address)
            problem = str(refused)
        else:
            login(request, user, backend=BACKEND)
            return HttpResponseRedirect("/")
    return render(
        request, "auth/setup.html", {"form": form, "problem": problem}, status=401 if problem else 200
    )


def too_many(
    request: HttpRequest, template: str, form: SignInForm | ClaimForm, allowance: Allowance
) -> HttpResponse:
    """Return the page of a form whose tries are used up."""
    response = render(request, template, {"form": form, "problem": TOO_MANY}, status=429)
    response.headers["Retry-After"] = str(allowance.seconds)
    return response


def next_of(request: HttpRequest) -> str:
    """Return where to go after the sign-in: a path of this site, else the start page."""
    target = str(request.POST.get("next") or request.GET.get("next") or "/")
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={own_host(request)}, require_https=own_scheme(request) == "https"
    )
    return target if safe else "/"

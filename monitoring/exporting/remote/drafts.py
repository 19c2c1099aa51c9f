"""What somebody asked a target to be, checked and brought into the stored form; no row is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from monitoring.choices import RemoteLogin
from nodes.addresses import PVE_PORT, normalise_fingerprint, normalise_host
from nodes.drafts import CONTROL, PLACEHOLDER, NotValid

NAME_LIMIT = 128
URL_LIMIT = 500
#: Tokens that carry what they allow in themselves are long.
SECRET_LIMIT = 4096
#: More labels make every series dearer, here and there.
MOST_LABELS = 10
LABEL_LIMIT = 64
VALUE_LIMIT = 128
STEPS = (0, 60)
#: The labels that series have by themselves (`monitoring.exporting.labels` and `naming`).
RESERVED = frozenset(
    {
        "datastore", "direction", "instance", "kind", "mount_point", "name", "node", "pool", "queue", "resource", "share",
        "storage", "tags", "vmid",
    }
)  # fmt: skip

PORT = re.compile(r"(?:\]|^[^:]*):[0-9]+$")
PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
#: Lower case, so that the name of a series sorts before it, as the protocol wants.
LABEL = re.compile(r"[a-z][a-z0-9_]*")
#: What stands in a header as it is.
HEADER_TEXT = re.compile(r"[\x21-\x7e]*")
TENANT = re.compile(r"[A-Za-z0-9!_.*'()|-]{0,150}")


@dataclass(frozen=True, slots=True)
class Draft:
    """What was asked for; None: not said. An empty secret is not said either."""

    name: str | None = None
    url: str | None = None
    is_enabled: bool | None = None
    login: str | None = None
    user: str | None = None
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    tenant: str | None = None
    extra_labels: Mapping[str, str] | None = None
    step_seconds: int | None = None
    verify_tls: bool | None = None
    fingerprint: str | None = None


def checked(draft: Draft) -> Draft:
    """Return the draft in the stored form; NotValid names the first field that is wrong."""
    if draft.login is not None and draft.login not in RemoteLogin.values:
        raise NotValid("login", "login must be none, basic or bearer")
    if draft.password and draft.token:
        raise NotValid("token", "give a password or a token, not both")
    return replace(
        draft,
        name=_bounded("name", draft.name, NAME_LIMIT),
        url=None if draft.url is None else checked_url(draft.url),
        user=_checked_user(draft.user),
        password=_checked_password(draft.password),
        token=_checked_token(draft.token),
        tenant=_checked_tenant(draft.tenant),
        extra_labels=None if draft.extra_labels is None else checked_labels(draft.extra_labels),
        step_seconds=_checked_step(draft.step_seconds),
        fingerprint=_checked_fingerprint(draft.fingerprint),
    )


def checked_url(text: str) -> str:
    """Return the whole address, such as `https://metrics.lab:8428/api/v1/write`; NotValid for what is none.

    No query: what stands in one is written to logs on the way. Whether it may be called is another question.
    """
    text = text.strip()
    scheme, separator, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    scheme, path = scheme.lower(), slash + path
    if not separator or scheme not in ("http", "https"):
        raise NotValid("url", "url must begin with https:// or http://")
    if "?" in text or "#" in text:
        raise NotValid("url", "url must not hold a query; login and tenant have fields of their own")
    if "\\" in text:
        raise NotValid("url", "url must not hold a backslash")
    if len(path) < 2 or not PATH.fullmatch(path):
        raise NotValid("url", "url needs the path of the engine, such as /api/v1/write")
    try:
        base = normalise_host("", f"{scheme}://{authority}")
    except ValueError as error:
        raise NotValid("url", f"url: {error}") from None
    if not PORT.search(authority):
        base = base.removesuffix(f":{PVE_PORT}")
    if len(base + path) > URL_LIMIT:
        raise NotValid("url", f"url is longer than {URL_LIMIT} characters")
    return base + path


def checked_labels(given: Mapping[str, str]) -> dict[str, str]:
    """Return the labels; NotValid for a name that a series has already, or that does not sort behind its name."""
    if len(given) > MOST_LABELS:
        raise NotValid("extra_labels", f"extraLabels has more than {MOST_LABELS} labels")
    for name, value in given.items():
        if not LABEL.fullmatch(name) or len(name) > LABEL_LIMIT:
            raise NotValid(
                "extra_labels",
                "extraLabels: a name has lower-case letters, digits and _, and begins with a letter",
            )
        if name in RESERVED:
            raise NotValid("extra_labels", f"extraLabels: {name} is a label of the series themselves")
        if not value or len(value) > VALUE_LIMIT or CONTROL.search(value):
            raise NotValid(
                "extra_labels", f"extraLabels: {name} needs a value of 1 to {VALUE_LIMIT} characters"
            )
    return dict(sorted(given.items()))


def _bounded(name: str, text: str | None, limit: int) -> str | None:
    if text is None:
        return None
    text = text.strip()
    if len(text) > limit:
        raise NotValid(name, f"{name} is longer than {limit} characters")
    if CONTROL.search(text):
        raise NotValid(name, f"{name} holds a control character")
    return text


def _checked_user(text: str | None) -> str | None:
    if text is not None and ":" in text:
        raise NotValid("user", "user must not hold a colon: it ends there")
    return _bounded("user", text, NAME_LIMIT)


def _checked_password(text: str) -> str:
    if len(text) > SECRET_LIMIT or CONTROL.search(text):
        raise NotValid(
            "password", f"password has at most {SECRET_LIMIT} characters, none of them a control character"
        )
    return "" if PLACEHOLDER.fullmatch(text) else text


def _checked_token(text: str) -> str:
    text = text.strip()
    if len(text) > SECRET_LIMIT or not HEADER_TEXT.fullmatch(text):
        raise NotValid("token", f"token has at most {SECRET_LIMIT} characters of ASCII, none of them a blank")
    return "" if PLACEHOLDER.fullmatch(text) else text


def _checked_tenant(text: str | None) -> str | None:
    if text is not None and not TENANT.fullmatch(text.strip()):
        raise NotValid("tenant", "tenant has at most 150 letters, digits and characters of !-_.*'()|")
    return None if text is None else text.strip()


def _checked_step(seconds: int | None) -> int | None:
    if seconds is not None and seconds not in STEPS:
        raise NotValid("step_seconds", "stepSeconds must be 0 (every sample) or 60 (a mean for each minute)")
    return seconds


def _checked_fingerprint(text: str | None) -> str | None:
    try:
        return None if text is None else normalise_fingerprint(text)
    except ValueError as error:
        raise NotValid("fingerprint", str(error)) from None

"""What somebody asked an instance to be, checked and brought into the stored form; the credential rules live here.

Source: http-api.md 5.1, 5.2 and 5.5 of the contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nodes.addresses import normalise_fingerprint, normalise_host
from nodes.choices import InstanceKind
from nodes.fields import Decided, Flag
from nodes.models import Instance

#: What a person decides about an instance, in the order of the contract, ours last.
DECIDED: tuple[Decided, ...] = tuple(
    column for column in Instance._meta.concrete_fields if isinstance(column, Decided)
)
FLAGS: tuple[Flag, ...] = tuple(column for column in DECIDED if isinstance(column, Flag))
FLAG_NAMES = frozenset(flag.name for flag in FLAGS)
#: How the wire, and sentences for people, call what is given.
WIRE_NAMES = {column.given_as: column.wire for column in DECIDED}

#: The realm of a user that was typed without one.
DEFAULT_REALM: Mapping[str, str] = {InstanceKind.PVE: "pam", InstanceKind.PBS: "pbs", InstanceKind.PMG: "pmg"}
UNKNOWN_KIND = "type must be pve, pbs or pmg"

NO_TOKENS = "a Proxmox Mail Gateway takes no API tokens: enter user and password"

NAME_LIMIT = 128
USER_LIMIT = 128
TOKEN_ID_LIMIT = 200
SECRET_LIMIT = 1024
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: Proxmox allows no blank, colon or slash in a user name; the realm begins with a letter.
USER = re.compile(r"[^\s:/!@]+(?:@[^\s:/!@]+)*@[A-Za-z][A-Za-z0-9.\-_]*")
TOKEN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.\-_]*")
#: What forms show in place of a secret that they do not know: it means "as it was".
PLACEHOLDER = re.compile(r"[*\u2022]+")


class NotValid(ValueError):
    """A value that cannot be accepted; `field` is our name of it, the text a sentence for people."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Draft:
    """What was asked for. None or an empty text means "not said": derived when adding, unchanged when changing.

    `fingerprint` alone tells the two apart: empty means no pin, None means not said.
    """

    kind: str
    name: str = ""
    host: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token_id: str = ""
    token_value: str = field(default="", repr=False)
    fingerprint: str | None = None
    verify_tls: bool | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked(Draft):
    """A draft that was checked, in the stored form."""


def draft_of(given: Mapping[str, Any], *, kind: str) -> Draft:
    """Return the draft of what was given under our names; the kind is whatever the caller says it is."""
    names = {column.name for column in fields(Draft)} & given.keys() - {"kind"}
    flags = {name: given[name] for name in FLAG_NAMES & given.keys()}
    return Draft(kind=kind, flags=flags, **{name: given[name] for name in names})


@dataclass(frozen=True, slots=True)
class Credential:
    """What is to be stored: the token wins, and only one of the two is kept. None keeps the stored secret."""

    user: str = ""
    password: str | None = field(default="", repr=False)
    token_id: str = ""
    token_value: str | None = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Held:
    """What an instance has stored so far."""

    user: str = ""
    has_password: bool = False
    token_id: str = ""
    has_token: bool = False


def checked(draft: Draft) -> Checked:
    """Return the draft in the stored form, with flags of its own kind only; NotValid names the first bad field.

    One that was checked is not checked again. Neither a host nor a credential is demanded here: whether they may be left out depends on the verb.
    """
    if isinstance(draft, Checked):
        return draft
    if draft.kind not in InstanceKind.values:
        raise NotValid("kind", UNKNOWN_KIND)
    own = [flag.name for flag in FLAGS if draft.kind in flag.kinds]
    return Checked(
        kind=draft.kind,
        host=_checked_host(draft.kind, draft.host),
        name=_bounded("name", draft.name.strip(), NAME_LIMIT),
        user=_bounded("user", draft.user.strip(), USER_LIMIT),
        password=_checked_secret("password", draft.password),
        token_id=_bounded("token_id", draft.token_id.strip(), TOKEN_ID_LIMIT),
        token_value=_checked_secret("token_value", draft.token_value.strip()),
        fingerprint=_checked_fingerprint(draft.fingerprint),
        verify_tls=draft.verify_tls,
        flags={name: draft.flags[name] for name in own if name in draft.flags},
    )


def _checked_host(kind: str, text: str) -> str:
    if not text.strip():
        return ""
    try:
        return normalise_host(kind, text)
    except ValueError as error:
        raise NotValid("host", str(error)) from None


def _checked_fingerprint(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return normalise_fingerprint(text)
    except ValueError as error:
        raise NotValid("fingerprint", str(error)) from None


def _bounded(field: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise NotValid(field, f"{WIRE_NAMES[field]} is longer than {limit} characters")
    if CONTROL.search(text):
        raise NotValid(field, f"{WIRE_NAMES[field]} holds a control character")
    return text


def _checked_secret(field: str, text: str) -> str:
    """Return the secret, or "" for a placeholder; a line break in one could end a header."""
    return _bounded(field, "" if PLACEHOLDER.fullmatch(text) else text, SECRET_LIMIT)


def new_credential(draft: Draft) -> Credential:
    """Return the credential of a new instance; NotValid when no pair is complete."""
    if draft.kind == InstanceKind.PMG and draft.token_id:
        raise NotValid("token_id", NO_TOKENS)
    if draft.token_id and draft.token_value:
        return Credential(token_id=full_token_id(draft), token_value=draft.token_value)
    if draft.user and draft.password:
        return Credential(user=full_user(draft.kind, draft.user), password=draft.password)
    raise NotValid("credentials", "credentials are required: user and password, or tokenName and tokenValue")


def changed_credential(draft: Draft, held: Held) -> Credential | None:
    """Return the credential after a change, None when nothing of it was said.

    NotValid when the change would leave half a credential behind.
    """
    if draft.kind == InstanceKind.PMG and draft.token_id:
        raise NotValid("token_id", NO_TOKENS)
    if draft.token_id or (draft.token_value and not draft.password):
        return _switched_to_token(draft, held)
    if draft.password or draft.user:
        return _switched_to_password(draft, held)
    return None


def _switched_to_token(draft: Draft, held: Held) -> Credential:
    if not draft.token_value and not held.has_token:
        raise NotValid("token_value", "tokenValue is required: no token secret is stored")
    token_id = full_token_id(draft) if draft.token_id else held.token_id
    if not token_id:
        raise NotValid("token_id", "tokenName is required beside tokenValue")
    return Credential(token_id=token_id, token_value=draft.token_value or None)


def _switched_to_password(draft: Draft, held: Held) -> Credential:
    if not draft.password and not held.has_password:
        raise NotValid("password", "password is required: none is stored")
    user = full_user(draft.kind, draft.user) if draft.user else held.user
    if not user:
        raise NotValid("user", "user is required beside password")
    return Credential(user=user, password=draft.password or None)


def full_user(kind: str, user: str) -> str:
    """Return `user@realm`, with the realm of the kind when none was typed; NotValid for what no user can be."""
    full = user if "@" in user else f"{user}@{DEFAULT_REALM[kind]}"
    if not USER.fullmatch(full) or len(full) > USER_LIMIT:
        raise NotValid("user", "user must look like user@realm")
    return full


def full_token_id(draft: Draft) -> str:
    """Return `user@realm!name`; a bare name takes the draft's user."""
    user, bang, name = draft.token_id.rpartition("!")
    if not bang:
        user, name = draft.user, draft.token_id
    if not user:
        raise NotValid("token_id", "tokenName must look like user@realm!name, or stand beside user")
    if not TOKEN_NAME.fullmatch(name):
        raise NotValid(
            "token_id", "tokenName must end in a token name: a letter, then letters, digits, . - _"
        )
    try:
        full = f"{full_user(draft.kind, user)}!{name}"
    except NotValid as error:
        raise NotValid("token_id", f"tokenName must look like user@realm!name: {error.message}") from None
    if len(full) > TOKEN_ID_LIMIT:
        raise NotValid("token_id", f"tokenName is longer than {TOKEN_ID_LIMIT} characters")
    return full

"""How a call proves who is calling: an API token in a header, or a ticket in a cookie that is renewed in time.

Source: api-facts.md sections 1.2 and 1.3.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from nodes.proxmox import values
from nodes.proxmox.errors import BadAnswer, LoginFailed, ProxmoxError

#: A ticket lives for two hours; the old one pays for the new one until then.
RENEW_AFTER_SECONDS = 90 * 60
TICKET_LIMIT = 4096
SECOND_FACTOR_REMEDY = "Use an API token: two-factor authentication does not apply to it"
#: A mail gateway has no tokens.
NO_SECOND_FACTOR_REMEDY = "Use an account without a second factor, with the role audit"

#: The header and what stands between the id of a token and its secret.
TOKEN_HEADERS = {"pve": ("PVEAPIToken", "="), "pbs": ("PBSAPIToken", ":")}
COOKIE_NAMES = {"pve": "PVEAuthCookie", "pbs": "PBSAuthCookie", "pmg": "PMGAuthCookie"}


@dataclass(frozen=True, slots=True)
class Credential:
    """Who calls: a token, or a user with a password. The secrets are not part of its text."""

    user: str = ""  # user@realm
    password: str = field(default="", repr=False)
    token_id: str = ""  # user@realm!name
    token_value: str = field(default="", repr=False)

    @property
    def kind(self) -> str:
        """`token`, `password` or `none`; a token wins when both are given."""
        if self.token_id and self.token_value:
            return "token"
        return "password" if self.user and self.password else "none"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never appear in a text of ours."""
        return tuple(secret for secret in (self.token_value, self.password) if secret)


#: Posts a form to /access/ticket and returns `data` of the answer, whatever it is.
PostTicket = Callable[[bytes], object]


class NoLogin:
    """Nothing to log in with: refused here, because a call would only be delayed and refused there."""

    def __init__(self, cause: str, remedy: str) -> None:
        self._cause = cause
        self._remedy = remedy

    def headers(self, post: PostTicket) -> Mapping[str, str]:
        """Raise LoginFailed."""
        raise LoginFailed(self._cause, remedy=self._remedy)

    def current_headers(self) -> Mapping[str, str]:
        """Return none."""
        return {}

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Return False: another try would end the same way."""
        return False


class TokenLogin:
    """The same header on every call; nothing to renew."""

    def __init__(self, kind: str, credential: Credential) -> None:
        name, separator = TOKEN_HEADERS[kind]
        value = f"{name}={credential.token_id}{separator}{credential.token_value}"
        self._headers = {"Authorization": value} if value.isascii() and value.isprintable() else None

    def headers(self, post: PostTicket) -> Mapping[str, str]:
        """Return the header, or raise LoginFailed for a token that cannot stand in one."""
        if self._headers is None:
            raise LoginFailed("The API token holds characters that no Proxmox token has")
        return self._headers

    def current_headers(self) -> Mapping[str, str]:
        """Return the header."""
        return self._headers or {}

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Return False: another try would end the same way."""
        return False


class TicketLogin:
    """A ticket, taken with the password once and renewed with itself; threads share it and take turns.

    `refused` tells that the server no longer takes the ticket of these headers: the next call logs in anew.
    """

    def __init__(self, kind: str, credential: Credential) -> None:
        self._cookie = COOKIE_NAMES[kind]
        self._way_out = SECOND_FACTOR_REMEDY if kind in TOKEN_HEADERS else NO_SECOND_FACTOR_REMEDY
        self._credential = credential
        self._lock = threading.Lock()
        self._headers: Mapping[str, str] | None = None
        self._ticket = ""
        self._taken_at = 0.0
        self._failures = 0
        self._failure = self._said = ""

    def headers(self, post: PostTicket) -> Mapping[str, str]:
        """Return the cookie header, logging in or renewing first where it is due."""
        failures = self._failures
        with self._lock:
            if self._headers is not None and time.monotonic() - self._taken_at < RENEW_AFTER_SECONDS:
                return self._headers
            if self._failures != failures:
                # Another thread tried while this one waited: a second wrong password brings a lock-out nearer.
                refused = LoginFailed(self._failure)
                refused.said = self._said
                raise refused
            try:
                return self._log_in(post)
            except LoginFailed as error:
                self._failures += 1
                self._failure, self._said = error.cause, error.said
                raise

    def current_headers(self) -> Mapping[str, str]:
        """Return the cookie header, none before a login: nobody logs in for this."""
        return self._headers or {}

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Drop the ticket that these headers carry; True when one more try makes sense."""
        with self._lock:
            if self._headers is headers:
                self._headers, self._ticket = None, ""
        return True

    def _log_in(self, post: PostTicket) -> Mapping[str, str]:
        data: object = None
        if self._ticket:
            try:
                data = post(self._form(self._ticket))
            except ProxmoxError:
                data = None  # too old, or signed with a key that is gone: the password decides
        if data is None:
            data = post(self._form(self._credential.password))
        answer = values.fields(data)
        ticket = answer.get("ticket")
        if values.truth(answer.get("NeedTFA")) or (isinstance(ticket, str) and ":!tfa!" in ticket):
            raise LoginFailed("The account asks for a second factor", remedy=self._way_out)
        if not isinstance(ticket, str) or not 0 < len(ticket) <= TICKET_LIMIT:
            raise BadAnswer("The answer to the login holds no ticket")
        self._headers = {"Cookie": f"{self._cookie}={quote(ticket, safe='', errors='replace')}"}
        self._ticket = ticket
        self._taken_at = time.monotonic()
        return self._headers

    def _form(self, password: str) -> bytes:
        return urlencode({"username": self._credential.user, "password": password}).encode()


Login = NoLogin | TokenLogin | TicketLogin


def login_for(kind: str, credential: Credential) -> Login:
    """Return the way in that a credential allows; a Proxmox Mail Gateway (`pmg`) knows passwords only."""
    if credential.kind == "token" and kind in TOKEN_HEADERS:
        return TokenLogin(kind, credential)
    if credential.kind == "token":
        return NoLogin(
            "A Proxmox Mail Gateway takes no API tokens", "Enter a user with the role audit and its password"
        )
    if credential.kind == "password":
        return TicketLogin(kind, credential)
    return NoLogin("No credential is configured", "Enter an API token, or a user and a password")

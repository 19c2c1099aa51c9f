"""Who may ask: users, API tokens, tickets and access lists of one instance."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

AUDITOR = {
    "pve": ("Sys.Audit", "Datastore.Audit", "VM.Audit", "Pool.Audit", "SDN.Audit", "Mapping.Audit"),
    "pbs": ("Sys.Audit", "Datastore.Audit"),
    "pmg": (),  # PMG knows roles only
}
#: What root may, as far as a monitor can ask for it.
ADMINISTRATOR = {
    "pve": (
        *AUDITOR["pve"],
        "Datastore.Allocate",
        "Datastore.AllocateSpace",
        "Permissions.Modify",
        "Sys.Modify",
        "Sys.Syslog",
        "VM.Backup",
        "VM.Config.Disk",
    ),
    "pbs": (*AUDITOR["pbs"], "Datastore.Modify", "Remote.Audit", "Sys.Modify"),
    "pmg": (),
}
#: PVE 9 put it in the place of VM.Monitor, and into the auditor's role.
AGENT_AUDIT = "VM.GuestAgent.Audit"
TICKET_SECONDS = 7_200
#: A ticket from a little ahead is taken: the clocks of cluster members differ.
TICKET_AHEAD_SECONDS = 300
TICKET_FORM = re.compile(
    r"(?P<plain>(?P<prefix>[A-Z]+):(?P<user>[^\s:/]+):(?P<at>[0-9A-F]{8}))::(?P<mark>.+)\Z"
)


@dataclass
class Account:
    """A user or an API token with its own access list."""

    name: str  # "pulse@pve" or "pulse@pve!monitor"
    secret: str = field(repr=False)
    privileges: dict[str, frozenset[str]]  # ACL path -> privileges, all propagating
    is_superuser: bool = False  # the user root@pam, not one of its tokens
    needs_second_factor: bool = False
    expires_at: float = 0.0  # 0 = never
    role: str = "audit"  # of PMG

    def has(self, path: str, privilege: str) -> bool:
        """Whether the access list grants a privilege: the nearest entry up the path decides."""
        if self.is_superuser:
            return True
        while True:
            granted = self.privileges.get(path or "/")
            if granted is not None:
                return privilege in granted
            if path in ("", "/"):
                return False
            path = path.rpartition("/")[0]


class Refused(Exception):
    """The credential is not good; the text is the reason phrase."""


class Access:
    """The accounts of one instance and the key that signs its tickets."""

    def __init__(self, kind: str, seed: int, version: tuple[int, int] = (0, 0)) -> None:
        random = Random(seed)
        realm = kind
        self.kind = kind
        self.user = f"pulse@{realm}"
        self.password = f"{random.getrandbits(96):024x}"
        self.token_id = f"{self.user}!monitor"
        self._signing_key = random.randbytes(32)
        self._random = random
        has_agent_audit = kind == "pve" and version >= (9, 0)
        self.administrator = frozenset((*ADMINISTRATOR[kind], *([AGENT_AUDIT] if has_agent_audit else [])))
        auditor = (*AUDITOR[kind], *([AGENT_AUDIT] if has_agent_audit else []))
        everything = {"/": frozenset(auditor)}
        self.accounts = {
            self.user: Account(self.user, self.password, everything),
            "root@pam": Account("root@pam", f"{random.getrandbits(96):024x}", {}, is_superuser=True),
        }
        self.token_value = self._new_secret()
        self.accounts[self.token_id] = Account(self.token_id, self.token_value, dict(everything))
        self.accounts["root@pam"].role = "root"
        if kind == "pmg":
            # It knows no tokens.
            del self.accounts[self.token_id]
            self.token_id = self.token_value = ""

    def _new_secret(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def add_token(
        self, name: str, privileges: Mapping[str, Iterable[str]], *, expires_at: float = 0.0
    ) -> tuple[str, str]:
        """Return id and secret of a new token of the monitoring user with exactly these privileges."""
        token_id = f"{self.user}!{name}"
        secret = self._new_secret()
        acl = {path: frozenset(granted) for path, granted in privileges.items()}
        self.accounts[token_id] = Account(token_id, secret, acl, expires_at=expires_at)
        return token_id, secret

    def set_privileges(self, name: str, privileges: Mapping[str, Iterable[str]]) -> None:
        """A user or token has exactly these privileges from now on; raises KeyError when there is none."""
        self.accounts[name].privileges = {path: frozenset(granted) for path, granted in privileges.items()}

    def add_privileges(self, name: str, privileges: Iterable[str]) -> None:
        """A user or token has these beside what it holds on /; raises KeyError when there is none."""
        held = self.accounts[name].privileges
        self.accounts[name].privileges = {**held, "/": held["/"] | frozenset(privileges)}

    def revoke_token(self, token_id: str) -> None:
        """Forget a token."""
        del self.accounts[token_id]

    def by_token(self, token_id: str, secret: str, at: float) -> Account:
        """Return the account of a token; raises Refused as the product words it."""
        account = self.accounts.get(token_id)
        if account is None or "!" not in token_id:
            raise Refused(f"no such token '{token_id.partition('!')[2]}'")
        if account.expires_at and at > account.expires_at:
            raise Refused("token expired")
        if not hmac.compare_digest(account.secret.encode(), secret.encode()):
            raise Refused("invalid token value!")
        return account

    def by_ticket(self, ticket: str, at: float) -> Account:
        """Return the account a ticket was issued to; raises Refused when it is forged or two hours old."""
        form = TICKET_FORM.match(ticket)
        if form is None or form["prefix"] != self.kind.upper():
            raise Refused(f"permission denied - invalid {self.kind.upper()} ticket")
        age = at - int(form["at"], 16)
        is_ours = hmac.compare_digest(form["mark"], self._mark(form["plain"]))
        if (
            not is_ours
            or not -TICKET_AHEAD_SECONDS < age < TICKET_SECONDS
            or form["user"] not in self.accounts
        ):
            raise Refused(f"permission denied - invalid {self.kind.upper()} ticket")
        return self.accounts[form["user"]]

    def by_login(self, user: str, password: str, at: float) -> Account:
        """Return the account of a user who gave a password, or an old ticket in its place."""
        account = self.accounts.get(user)
        if account is None or "!" in user:
            raise Refused("authentication failure")
        if password.startswith(f"{self.kind.upper()}:"):
            if self.by_ticket(password, at) is not account:
                raise Refused("authentication failure")
        elif not hmac.compare_digest(account.secret.encode(), password.encode()):
            raise Refused("authentication failure")
        return account

    def ticket(self, user: str, at: float) -> str:
        """Return a signed ticket in Proxmox's form."""
        plain = f"{self.kind.upper()}:{user}:{int(at):08X}"
        return f"{plain}::{self._mark(plain)}"

    def half_ticket(self, user: str, at: float) -> str:
        """Return the challenge that a second factor has to complete; it opens nothing."""
        plain = f"{self.kind.upper()}:!tfa!{user}:{int(at):08X}"
        return f"{plain}::{self._mark(plain + 'tfa')}"

    def csrf_token(self, user: str, at: float) -> str:
        """Return the token that calls other than GET need."""
        return f"{int(at):08X}:{self._mark('csrf' + user)[:43]}"

    def _mark(self, plain: str) -> str:
        digest = hmac.new(self._signing_key, plain.encode(), hashlib.sha512).digest()
        return base64.b64encode(digest * 4)[:342].decode() + "=="

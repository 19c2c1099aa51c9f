"""When the account by which an instance is asked, or its token, expires."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import Visit
from monitoring.known.facts import CredentialFacts
from monitoring.known.lanes import Lane
from nodes.choices import InstanceKind
from nodes.proxmox import access


def credential_questions(visit: Visit) -> Iterator[Question]:
    """Yield what is asked about the account; under its name, so that another one is asked about at once."""
    token, user = visit.instance.token_id, visit.instance.user
    if visit.instance.kind == InstanceKind.PBS:
        if visit.instance.has_token and visit.may("/access/users", "Sys.Audit"):
            yield Question(Lane.CREDENTIAL, token, read_token, tuple(token.split("!", 1)))
    elif visit.may("/access/groups", "Sys.Audit", "User.Modify"):
        if visit.instance.has_token:
            yield Question(Lane.CREDENTIAL, token, read_account, tuple(token.split("!", 1)))
        elif user:
            yield Question(Lane.CREDENTIAL, user, read_account, (user, ""))


def read_account(visit: Visit, user: str, token: str) -> None:
    """Read when a user of PVE or its token expires."""
    account = visit.ask(access.account, user)
    visit.keep(credential=CredentialFacts(bool(token), account.ends_epoch(token)))


def read_token(visit: Visit, user: str, name: str) -> None:
    """Read when a token of PBS expires."""
    visit.keep(credential=CredentialFacts(True, visit.ask(access.token, user, name).expires_epoch))

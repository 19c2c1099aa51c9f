"""The lines that give an account what it lacks, ready to be pasted into a shell of the host; pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from nodes.doctor.features import Role

#: user@realm or user@realm!token, as Proxmox takes them: no blank, colon or slash in the name.
ACCOUNT = re.compile(r"([^\s:/]{1,64}@[A-Za-z][A-Za-z0-9._-]{0,31})(?:!([A-Za-z][A-Za-z0-9._-]{0,127}))?")
PATH = re.compile(r"/(?:[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*)?")
ROOT = "root@pam"


def is_account(text: str) -> bool:
    """Return whether a text can be written into a line: an account by Proxmox's rules, visible, and no option."""
    return bool(ACCOUNT.fullmatch(text)) and text.isprintable() and not text.startswith("-")


def acts_as_token(kind: str, account: str, has_privilege_separation: bool | None) -> bool:
    """Return whether the account is a token with rights of its own."""
    return "!" in account.rpartition("@")[2] and (kind == "pbs" or has_privilege_separation is not False)


def lines_for(
    kind: str, role: Role, paths: Sequence[str], account: str, has_privilege_separation: bool | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lines that give a role to the account, and those for the user behind a token; root needs none."""
    user = account.rpartition("!")[0] if "!" in account.rpartition("@")[2] else account
    of_user = [grant(kind, role.name, path, user, is_token=False) for path in paths] if user != ROOT else []
    made = [line("pveum", "role", "add", role.name, "--privs", ",".join(role.privileges))]
    made = made if role.privileges and kind == "pve" else []
    if not acts_as_token(kind, account, has_privilege_separation):
        return tuple(made + of_user) if of_user else (), ()
    of_token = [grant(kind, role.name, path, account, is_token=True) for path in paths]
    return tuple(made + of_token) if of_token else (), tuple(of_user)


def grant(kind: str, role: str, path: str, holder: str, *, is_token: bool) -> str:
    """Return the line that gives a role to a user or a token at a path."""
    if kind == "pbs":
        return line("proxmox-backup-manager", "acl", "update", path, role, "--auth-id", holder)
    return line(
        "pveum", "acl", "modify", path, "--tokens" if is_token else "--users", holder, "--roles", role
    )


def line(*words: str) -> str:
    """Return words as a shell takes them."""
    return shlex.join(words)

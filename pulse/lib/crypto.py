"""Secrets at rest: AES-256-GCM, bound to the place where they are stored, with numbered keys for rotation.

A sealed text is `v1.<key id>.<nonce and ciphertext in base64url>`. The key file holds one line per key, `<key id>
<base64url key>`, the current one first; older ones only open what they once sealed.
Source: security.md A.3, "At rest".
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from pulse.env import EnvError
from pulse.lib.keys import ensure_key_file, read_key_file
from pulse.lib.sealed_columns import any_sealed

KEY_BYTES = 32
NONCE_BYTES = 12
FORMAT = "v1"
KEY_FILE_NAME = "encryption.key"


class SealBroken(Exception):
    """A sealed text cannot be opened: damaged, moved from its place, or sealed with a key that is gone."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the key file; `current` seals, all of them open."""

    current: str
    by_id: Mapping[str, bytes] = field(repr=False)


def seal(text: str, *, place: str) -> str:
    """Return the text sealed for one place, such as `instance:<uid>:password`; no text stays no text."""
    if not text:
        return ""
    keys = load_keys()
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(keys.by_id[keys.current]).encrypt(nonce, text.encode(), bound_to(place, keys.current))
    return f"{FORMAT}.{keys.current}.{encoded(nonce + sealed)}"


def unseal(sealed: str, *, place: str) -> str:
    """Return the text that was sealed for this place; no text stays no text.

    Raises SealBroken, whose words tell neither the text nor the key.
    """
    if not sealed:
        return ""
    key_id = key_id_of(sealed)
    key = load_keys().by_id.get(key_id)
    if key is None:
        raise SealBroken("a stored secret was sealed with a key that is not in the key file")
    try:
        raw = decoded(sealed.split(".", 2)[2])
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to(place, key_id)).decode()
    except (InvalidTag, ValueError):
        raise SealBroken("a stored secret is damaged or was moved from its place") from None


def key_id_of(sealed: str) -> str:
    """Return the id of the key that a text was sealed with; SealBroken when it is not a sealed text."""
    parts = sealed.split(".", 2)
    if len(parts) != 3 or parts[0] != FORMAT:
        raise SealBroken("a stored secret is not in a form that can be opened")
    return parts[1]


def bound_to(place: str, key_id: str) -> bytes:
    """Return the additional data that ties a ciphertext to its place and its key."""
    return f"pulse:{place}:{key_id}".encode()


def key_path() -> Path:
    """Return where the key file is."""
    return Path(settings.PULSE_DATA_DIR) / KEY_FILE_NAME


def load_keys() -> Keys:
    """Return the keys, making the first one when nothing was ever sealed.

    Raises SealBroken when the file is lost or cannot be used; `pulse.lib.sealed.keys_in_order` says why.
    """
    path = key_path()
    try:
        if not path.exists():
            make_first_key(path)
        facts = path.stat()
        return parsed_keys(path, (facts.st_mtime_ns, facts.st_ino, facts.st_size))
    except (EnvError, OSError):
        raise SealBroken(
            "the key file of the stored secrets cannot be used; the log of Pulse says why"
        ) from None


def make_first_key(path: Path) -> None:
    """Create the key file; SealBroken when sealed texts exist, which only the lost file could open."""
    if any_sealed():
        raise SealBroken("the key file of the stored secrets is missing; restore it from a backup")
    ensure_key_file(path, new_key_line)


@lru_cache(maxsize=4)
def parsed_keys(path: Path, stamp: tuple[int, int, int]) -> Keys:
    """Return the keys of one version of the file; `stamp` names the version, so that a rotation is seen."""
    by_id: dict[str, bytes] = {}
    for line in (read_key_file(path) or "").splitlines():
        key_id, _, key_text = line.strip().partition(" ")
        with contextlib.suppress(ValueError):
            key = decoded(key_text)
            if key_id and len(key) == KEY_BYTES:
                by_id.setdefault(key_id, key)
    if not by_id:
        raise EnvError(f"the key file {path} holds no usable key; restore it from a backup")
    return Keys(current=next(iter(by_id)), by_id=by_id)


def add_key() -> str:
    """Put a new key in front of the file, keep the others for opening, and return the new key's id."""
    load_keys()
    return replace_key_file([new_key_line(), *(read_key_file(key_path()) or "").splitlines()])


def forget_old_keys() -> None:
    """Keep only the current key: whatever was sealed with another one is lost, old backups included."""
    load_keys()
    replace_key_file((read_key_file(key_path()) or "").splitlines()[:1])


def replace_key_file(lines: list[str]) -> str:
    """Write the whole file anew, complete or not at all, and return the id of its first key."""
    path = key_path()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)  # of a killed predecessor with the same process number
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, ("\n".join(line for line in lines if line.strip()) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)
    return lines[0].partition(" ")[0]


def sync_directory(path: Path) -> None:
    """Make a rename in the directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def new_key_line() -> str:
    """Return a line of the key file: a new id and a new random key."""
    return f"{secrets.token_hex(4)} {encoded(secrets.token_bytes(KEY_BYTES))}"


def encoded(raw: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes of unpadded base64url; ValueError for anything else."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error

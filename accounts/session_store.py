"""Sessions in the database, each under a digest of its key: a stolen copy of the database opens no session.

Named by SESSION_ENGINE. Source: security.md A7.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

#: The column holds 40 characters: 160 of the 256 bits, about as many as a session key has.
DIGEST_CHARS = 40


def stored_key(session_key: str) -> str:
    """Return under which name the session of a key is stored.

    A fast hash is right here: keys are random and long, unlike passwords.
    """
    return hashlib.sha256(f"session:{session_key}".encode("utf-8", "surrogatepass")).hexdigest()[
        :DIGEST_CHARS
    ]


class SessionStore(db.SessionStore):
    """Django's own store, which shows the key to the browser and its digest to the database."""

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        session: AbstractBaseSession | None = None
        if self.session_key is not None:
            session = self.model.objects.filter(
                session_key=stored_key(self.session_key), expire_date__gt=timezone.now()
            ).first()
        if session is None:
            self._session_key = None
        return session

    async def _aget_session_from_db(self) -> AbstractBaseSession | None:
        session: AbstractBaseSession | None = None
        if self.session_key is not None:
            session = await self.model.objects.filter(
                session_key=stored_key(self.session_key), expire_date__gt=timezone.now()
            ).afirst()
        if session is None:
            self._session_key = None
        return session

    def exists(self, session_key: str) -> bool:
        """Return whether there is a session with this key."""
        return super().exists(stored_key(session_key))

    async def aexists(self, session_key: str) -> bool:
        """Return whether there is a session with this key."""
        return await super().aexists(stored_key(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """Return the row of this session as it is now."""
        row: AbstractBaseSession = super().create_model_instance(data)
        row.session_key = stored_key(row.session_key)
        return row

    async def acreate_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """Return the row of this session as it is now."""
        row: AbstractBaseSession = await super().acreate_model_instance(data)
        row.session_key = stored_key(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """End the session with this key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            self.model.objects.filter(session_key=stored_key(key)).delete()

    async def adelete(self, session_key: str | None = None) -> None:
        """End the session with this key, or this one."""
        key = session_key or self.session_key
        if key is not None:
            await self.model.objects.filter(session_key=stored_key(key)).adelete()

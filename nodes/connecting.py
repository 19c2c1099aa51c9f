"""The long-lived way to an instance: its configured address first, the other members of its cluster when that is silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings

from nodes import reach
from nodes.addresses import base_url_for_member
from nodes.models import Instance
from nodes.proxmox.client import Client, Credential, Meter, Target
from nodes.proxmox.errors import CredentialUnreadable, ProxmoxError
from nodes.proxmox.slots import slots_of

Result = TypeVar("Result")

#: How long a member stands in before the configured address is tried again.
RETURN_SECONDS = 60.0
#: One whole call, unless the configured silence is longer.
DEADLINE_SECONDS = 20.0
#: A connection nobody asked for in this time belongs to an instance that was removed elsewhere.
UNUSED_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Member:
    """Another address of the same cluster, as plain values: polling must not ask the database for it each time."""

    node_name: str
    address: str = ""  # IP address; the name is used when it is not known
    fingerprint: str = ""


def target_of(instance: Instance, *, url: str | None = None, fingerprint: str | None = None) -> Target:
    """Return where and as whom to call an instance, or the given address of it.

    Raises CredentialUnreadable when the stored secret cannot be opened.
    """
    return Target(
        kind=instance.kind,
        url=instance.host if url is None else url,
        credential=_credential_of(instance),
        fingerprint=instance.fingerprint if fingerprint is None else fingerprint,
        verify_tls=instance.verify_tls,
        authority=instance.authority,
        policy=reach.policy(),
    )


def words_of(error: ProxmoxError, instance: Instance | None = None) -> str:
    """Return what to tell of a failure: the words of the other side only once it has answered as a Proxmox host does.

    Before that it may be any server that somebody wants to look at through Pulse. Source: security.md A37.
    """
    is_proven = instance is not None and instance.last_success_at is not None
    return str(error) if is_proven else error.own_words


def _credential_of(instance: Instance) -> Credential:
    from pulse.lib.crypto import SealBroken, unseal  # late: importing it needs the settings

    try:
        return Credential(
            user=instance.user,
            password=unseal(instance.sealed_password, place=instance.password_place),
            token_id=instance.token_id,
            token_value=unseal(instance.sealed_token, place=instance.token_place),
        )
    except SealBroken:
        raise CredentialUnreadable("The stored secret cannot be opened") from None


def targets_of(target: Target, members: Iterable[Member]) -> tuple[Target, ...]:
    """Return the configured target and, after it, those members that may be asked in its place.

    Under a pinned certificate a member is used only with a fingerprint of its own: anything else would accept any
    certificate there. A verified instance trusts a known fingerprint or the authorities. An unverified one has no members: whoever
    answers in its place could name any address, and the credential would go there.
    """
    targets = {target.url: target}
    is_trusted = bool(target.fingerprint) or target.verify_tls
    for member in members if is_trusted else ():
        if target.fingerprint and not member.fingerprint:
            continue
        try:
            url = base_url_for_member(target.url, member.address or member.node_name)
        except ValueError:  # what a host told about its cluster is no address
            continue
        targets.setdefault(
            url,
            Target(
                kind=target.kind,
                url=url,
                credential=target.credential,
                fingerprint=member.fingerprint,
                verify_tls=target.verify_tls,
                authority=target.authority,
                policy=target.policy,
            ),
        )
    return tuple(targets.values())


class Connection:
    """One instance's clients, one per address; all threads use the current one until it fails.

    Only failures of the connection lead to the next address: a refused login is refused everywhere, and each try
    would bring a lock-out nearer. After a minute the configured address is tried again.
    """

    def __init__(
        self,
        target: Target,
        members: Iterable[Member] = (),
        *,
        timeout_seconds: float = 10.0,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        #: What the calls to all addresses have cost together.
        self.meter = Meter()
        #: Of all addresses, and of those who try the configured one meanwhile.
        self.slots = slots_of(target.url)
        self._lock = threading.Lock()
        self._timeout_seconds = timeout_seconds
        self._deadline_seconds = deadline_seconds
        self._clients: dict[Target, Client] = {}
        self._configured = target
        self._members = tuple(members)
        #: The one in use first, then those to try next.
        self._order = list(targets_of(target, self._members))
        self._left_at = 0.0

    def __repr__(self) -> str:
        return f"<Connection {self._configured.url}>"

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses, the one in use first and then in the order in which they will be tried."""
        with self._lock:
            return tuple(target.url for target in self._order)

    def client(self) -> Client:
        """Return the client of the address in use."""
        with self._lock:
            if self._order[0] != self._configured and time.monotonic() - self._left_at >= RETURN_SECONDS:
                # What stood in stays next in line, should the configured address still be silent.
                self._order.remove(self._configured)
                self._order.insert(0, self._configured)
            return self._client_of(self._order[0])

    def failed(self, error: ProxmoxError, *, client: Client | None = None) -> bool:
        """Move on to the next address if the failure is one of the connection; return whether there is another.

        `client` is the one that failed: when it is no longer in use, another thread has moved on already.
        """
        with self._lock:
            if not error.is_connection_level or len(self._order) < 2:
                return False
            if client is None or client.target == self._order[0]:
                if self._order[0] == self._configured:
                    self._left_at = time.monotonic()
                self._order.append(self._order.pop(0))
            return True

    def ask(self, call: Callable[[Client], Result]) -> Result:
        """Return what `call` reads from the first address that answers, trying each at most once.

        When none does, the failure of the first one tried is raised.
        """
        failures: list[ProxmoxError] = []
        for _ in self.addresses:
            client = self.client()
            try:
                return call(client)
            except ProxmoxError as error:
                failures.append(error)
                if not self.failed(error, client=client):
                    raise
        raise failures[0]

    def others(self) -> tuple[Client, ...]:
        """Return the clients of all addresses that are not in use, those that would be tried next first."""
        with self._lock:
            return tuple(self._client_of(target) for target in self._order[1:])

    def configured(self) -> Client:
        """Return the client of the configured address, whether it is in use or not."""
        with self._lock:
            return self._client_of(self._configured)

    def use(self, client: Client) -> None:
        """Use this address until the configured one is tried again, as if that had failed."""
        with self._lock:
            if client.target in self._order:
                if self._order[0] == self._configured:
                    self._left_at = time.monotonic()
                self._order.remove(client.target)
                self._order.insert(0, client.target)

    def use_members(self, members: Iterable[Member]) -> None:
        """Take over the current list of members; the address in use stays in use if it is still one of them."""
        members = tuple(members)
        with self._lock:
            if members == self._members:
                return
            self._members = members
            targets = targets_of(self._configured, members)
            in_use = [self._order[0]] if self._order[0] in targets else []
            self._order = [*in_use, *(target for target in targets if target not in in_use)]
            gone = [self._clients.pop(target) for target in set(self._clients) - set(targets)]
        for client in gone:
            client.close()

    def renewals(self) -> dict[str, str]:
        """Return the fingerprints of certificates that were renewed by their authority, by those that are pinned."""
        with self._lock:
            renewed = [(target, client.renewed_fingerprint) for target, client in self._clients.items()]
        return {target.fingerprint: fingerprint for target, fingerprint in renewed if fingerprint}

    def close(self) -> None:
        """Close the connections to all addresses."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _client_of(self, target: Target) -> Client:
        if target not in self._clients:
            self._clients[target] = Client(
                target,
                timeout_seconds=self._timeout_seconds,
                deadline_seconds=self._deadline_seconds,
                meter=self.meter,
                slots=self.slots,
            )
        return self._clients[target]


@dataclass(slots=True)
class _Kept:
    made_of: tuple[int, str, str]
    connection: Connection
    used_at: float


_kept: dict[int, _Kept] = {}
_kept_lock = threading.Lock()


def _made_of(instance: Instance) -> tuple[int, str, str]:
    """Return what a connection is made of: the configuration by its version, and whom polling has found to be trusted."""
    return instance.version, instance.fingerprint, instance.authority


def members_of(instance: Instance) -> tuple[Member, ...]:
    """Return the other addresses of an instance; no query when its endpoints were read with it."""
    if not instance.is_cluster:
        return ()
    return tuple(
        Member(endpoint.node_name, endpoint.address, endpoint.fingerprint)
        for endpoint in instance.endpoints.all()
    )


def connection_for(instance: Instance) -> Connection:
    """Return this process's connection to an instance, made anew when its configuration or its pin has changed.

    Raises CredentialUnreadable when the stored secret cannot be opened.
    """
    members = members_of(instance)
    with _kept_lock:
        kept = _kept.get(instance.pk)
    if kept is None or kept.made_of != _made_of(instance):
        return _keep(instance, members)
    kept.used_at = time.monotonic()
    kept.connection.use_members(members)
    return kept.connection


def _keep(instance: Instance, members: tuple[Member, ...]) -> Connection:
    silence = float(settings.CONNECTION_TIMEOUT_SECONDS)
    connection = Connection(
        target_of(instance),
        members,
        timeout_seconds=silence,
        deadline_seconds=max(DEADLINE_SECONDS, silence),
    )
    now = time.monotonic()
    with _kept_lock:
        unused = [pk for pk, kept in _kept.items() if now - kept.used_at > UNUSED_SECONDS]
        dropped = [_kept.pop(pk).connection for pk in {*unused, instance.pk} & set(_kept)]
        _kept[instance.pk] = _Kept(_made_of(instance), connection, used_at=now)
    for old in dropped:
        old.close()
    return connection


def forget(pk: int) -> None:
    """Close this process's connection to an instance that was changed or removed."""
    with _kept_lock:
        kept = _kept.pop(pk, None)
    if kept is not None:
        kept.connection.close()

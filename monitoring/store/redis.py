"""The store of a scale-out: fragments, ticks and whatever else is kept, in Redis, every key with an expiry.

docs/decisions/0003 and 0009. Redis away: what is known here is still served, and everything is read again when it is back.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import msgspec
import redis

from monitoring.known.kinds import Kept, Kind
from monitoring.store.keys import ALIVE, FRAGMENT, LEASE, TICKS, VERSIONS, key
from monitoring.store.local import LocalFragments
from monitoring.store.parts import OUTLINE, KeptInParts, KeptWhole
from monitoring.store.protocol import Listener, Outlines, Tick
from monitoring.wire.fragments import Fragment, FragmentKey, Located, keys_of
from pulse.lib.logs import Told

logger = logging.getLogger(__name__)

#: Everything can be read from Proxmox again; what nobody renews is of no use.
EXPIRY_SECONDS = 24 * 3600
TIMEOUT_SECONDS = 2.0
#: Replaces a fragment unless a newer one is there, and tells so. Keys: fragment, versions, channel.
REPLACE = """
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[2]) end
local version = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '')
if version and version >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[4], 'EX', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', KEYS[3], ARGV[5])
return 1
"""

#: Takes a right that nobody has; one that does not end in time is nobody's. Keys: the right. Arguments: mark, milliseconds.
TAKE = """
local left = redis.call('PTTL', KEYS[1])
if left == -1 or left > tonumber(ARGV[2]) then redis.call('DEL', KEYS[1]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
#: Gives a right back that still has the mark of its holder. Keys: the right. Arguments: mark.
GIVE_BACK = """
if redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
"""
#: What comes of decoding bytes that somebody else wrote: not msgpack, of another shape, or no text where there should be.
UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)

_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.decode
_fragment_of = msgspec.msgpack.Decoder(Fragment).decode
_tick_of = msgspec.msgpack.Decoder(Tick).decode


class RedisStore:
    """See StateStore; safe for any number of processes and threads."""

    def __init__(self, url: str, kinds: Iterable[Kind[Any, Any]]) -> None:
        timeouts: dict[str, Any] = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
        }
        self._redis = redis.Redis.from_url(url, health_check_interval=30, **timeouts)
        # A server has one set of channels for all its databases.
        self.channel = f"{key(TICKS)}:{self._redis.connection_pool.connection_kwargs.get('db', 0)}"
        self._replace = self._redis.register_script(REPLACE)
        self._take: Any = self._redis.register_script(TAKE)
        self._give_back: Any = self._redis.register_script(GIVE_BACK)
        self._kept: dict[str, KeptInParts[Any] | KeptWhole[Any]] = {
            kind.name: (KeptInParts if kind.in_parts else KeptWhole)(
                self._redis, kind, expiry_seconds=EXPIRY_SECONDS
            )
            for kind in kinds
        }
        self._local = LocalFragments()
        #: What could not be shared or read.
        self._told = Told()
        self._starting = threading.Lock()
        self._follower: threading.Thread | None = None
        self._ended = threading.Event()

    def publish(self, fragment: Fragment) -> None:
        """See StateStore. Fragment and tick travel together, so that a tick never comes first."""
        name, version = name_of(fragment.key), fragment.version
        keys = [key(FRAGMENT, name), key(VERSIONS), self.channel]
        tick = _encode(Tick("state", fragment.key, version))
        with self._sharing("the state"):
            self._replace(keys=keys, args=[name, version, EXPIRY_SECONDS, _encode(fragment), tick])

    def remove(self, instance_id: int) -> None:
        """See StateStore."""
        for name, kept in self._kept.items():
            kept.forget(key(name, instance_id))
        with self._sharing("that an instance was removed"), self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(*(key(name, instance_id) for name in self._kept))
            for fragment_key in keys_of(instance_id):
                name = name_of(fragment_key)
                pipe.delete(key(FRAGMENT, name))
                pipe.hdel(key(VERSIONS), name)
                pipe.publish(self.channel, _encode(Tick("gone", fragment_key)))
            pipe.execute()

    def fragments(self) -> dict[FragmentKey, Fragment]:
        """See StateStore. The first call begins to follow the ticks."""
        self._follow()
        return self._local.fragments()

    def find(self, identity: str) -> Located | None:
        """See StateStore."""
        self._follow()
        return self._local.find(identity)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See StateStore."""
        self._follow()
        return self._local.subscribe(listener)

    @property
    def has_listeners(self) -> bool:
        """See StateStore; whether another process has any is not asked."""
        return True

    def broadcast(self, message: bytes) -> None:
        """See StateStore."""
        with self._sharing("a message to the clients"):
            self._redis.publish(self.channel, _encode(Tick("message", message=message)))

    def load(self, kind: Kind[Kept, Any], *, of: int | None = None) -> Kept | None:
        """See StateStore; what cannot be read is nothing."""
        place = key(kind.name, of)
        try:
            kept: Kept | None = self._kept[kind.name].load(place)
        except (redis.ResponseError, *UNREADABLE) as error:
            self._unreadable(place, error)
            return None
        except redis.RedisError:
            return None
        self._told.is_over(place)
        return kept

    def save(self, kind: Kind[Kept, Any], kept: Kept, *, of: int | None = None) -> None:
        """See StateStore."""
        with self._sharing(kind.name):
            self._kept[kind.name].save(key(kind.name, of), kept)

    def outlines(self, kinds: Collection[Kind[Any, Any]], instance_ids: Collection[int]) -> Outlines:
        """See StateStore; of what cannot be read there is none."""
        wanted = [(kind, pk) for kind in kinds for pk in instance_ids]
        found = Outlines()
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for kind, pk in wanted:
                    pipe.hget(key(kind.name, pk), OUTLINE)
                raws = pipe.execute(raise_on_error=False)
        except redis.RedisError:
            return found
        for (kind, pk), raw in zip(wanted, raws, strict=True):
            if isinstance(raw, bytes):
                try:
                    found[kind.name, pk] = _decode(raw, type=kind.outline)
                except UNREADABLE as error:
                    self._unreadable(key(kind.name, pk), error)
        return found

    def take(self, name: str, mark: bytes, *, seconds: int) -> bool:
        """See StateStore."""
        taken: Any = 0
        with self._sharing("the rights of the workers"):
            taken = self._take(keys=[key(LEASE, name)], args=[mark, seconds * 1000])
        return bool(taken)

    def give_back(self, name: str, mark: bytes) -> None:
        """See StateStore."""
        with self._sharing("the rights of the workers"):
            self._give_back(keys=[key(LEASE, name)], args=[mark])

    def show_life(self, part: str, *, seconds: float) -> None:
        """See StateStore. Redis counts the time: the clocks of the machines need not agree."""
        with self._sharing("who is alive"):
            self._redis.set(key(ALIVE, part), b"1", px=int(seconds * 1000))

    def lives(self, part: str) -> bool | None:
        """See StateStore. A sign that does not end says nothing."""
        left: Any = None
        with self._sharing("who is alive"):
            left = self._redis.pttl(key(ALIVE, part))
        return left > 0 if left is not None else None

    def close(self) -> None:
        """Follow no longer, and let the connections go."""
        self._ended.set()
        if self._follower is not None:
            self._follower.join(2 * TIMEOUT_SECONDS)
        self._redis.close()

    @contextlib.contextmanager
    def _sharing(self, what: str) -> Iterator[None]:
        """Let nothing fail because Redis is away: what could not be shared is shared later, or read anew."""
        try:
            yield
        except redis.RedisError as error:
            if self._told.is_news(what, type(error).__name__):
                logger.warning("%s could not be shared: Redis %s", what, type(error).__name__)
        else:
            if self._told.is_over(what):
                logger.info("%s can be shared again", what)

    def _unreadable(self, place: str, error: Exception) -> None:
        """Say once that what is kept under a key is none of ours; nothing of it is shown."""
        name = type(error).__name__
        if self._told.is_news(place, name):
            logger.warning("what is in Redis under %s cannot be read and is ignored (%s)", place, name)

    # --- following ---------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Start the one thread that hears the ticks, once what is there has been read."""
        with self._starting:
            if self._follower is not None:
                return
            with contextlib.suppress(redis.RedisError):  # the thread tries again
                self._read_all()
            self._follower = threading.Thread(target=self._keep_following, name="redis-ticks", daemon=True)
            self._follower.start()

    def _keep_following(self) -> None:
        """Hear ticks until the store is closed; after a break wait a little longer each time, and read everything again."""
        wait = 0.5
        while not self._ended.is_set():
            try:
                subscriber: Any = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                with contextlib.closing(subscriber):
                    subscriber.subscribe(self.channel)
                    self._read_all()
                    wait = 0.5
                    if self._told.is_over("following"):
                        logger.info("Redis answers again")
                    self._hear(subscriber)
            except redis.RedisError as error:
                if self._told.is_news("following", type(error).__name__):
                    logger.warning("Redis does not answer (%s); it is tried again", type(error).__name__)
            except Exception as error:
                if self._told.is_news("following", type(error).__name__):
                    logger.exception("a tick could not be followed")
            self._ended.wait(wait)
            wait = min(wait * 2, 15.0)

    def _hear(self, subscriber: Any) -> None:
        silent_since = time.monotonic()
        while not self._ended.is_set():
            message = subscriber.get_message(timeout=1.0)
            if message is not None and isinstance(message.get("data"), bytes):
                silent_since = time.monotonic()
                try:
                    tick = _tick_of(message["data"])
                except UNREADABLE as error:
                    self._unreadable(self.channel, error)
                else:
                    self._heard(tick)
            elif time.monotonic() - silent_since > 30.0:
                self._read_all()  # also proves that the connection lives
                silent_since = time.monotonic()

    def _heard(self, tick: Tick) -> None:
        if tick.key is None:
            self._local.tell(tick)
        elif tick.kind == "gone":
            self._local.drop((tick.key,))
        else:
            self._read(tick.key)

    def _read(self, fragment_key: FragmentKey) -> None:
        """Take a fragment over as it is in Redis; one that cannot be read is passed by until the next."""
        place = key(FRAGMENT, name_of(fragment_key))
        try:
            raw = self._redis.get(place)
            fragment = _fragment_of(raw) if isinstance(raw, bytes) else None
            if fragment is not None and fragment.key != fragment_key:
                raise msgspec.ValidationError("it is another one")
        except (redis.ResponseError, *UNREADABLE) as error:
            self._unreadable(place, error)
            return
        if fragment is not None:
            self._told.is_over(place)
            self._local.publish(fragment)

    def _read_all(self) -> None:
        """Compare versions with Redis and fetch what differs."""
        versions = self._versions()
        here = self._local.fragments()
        # Redis that came back empty has lost its memory, not the hosts: keep the last known until polls return.
        self._local.drop(here.keys() - versions.keys() if versions else ())
        for fragment_key, version in versions.items():
            if fragment_key not in here or here[fragment_key].version < version:
                self._read(fragment_key)

    def _versions(self) -> dict[FragmentKey, int]:
        """Return which version of each fragment is in Redis; none by what cannot be read."""
        versions: dict[FragmentKey, int] = {}
        try:
            listed: Any = self._redis.hgetall(key(VERSIONS))
        except redis.ResponseError as error:
            self._unreadable(key(VERSIONS), error)
            return versions
        for name, version in listed.items():
            try:
                versions[key_of(name.decode())] = int(version)
            except ValueError as error:
                self._unreadable(key(VERSIONS), error)
        return versions


def name_of(fragment_key: FragmentKey) -> str:
    """Return what a fragment is called in Redis."""
    return f"{fragment_key.instance_id}:{fragment_key.part}"


def key_of(name: str) -> FragmentKey:
    """Return which fragment has this name."""
    instance_id, _, part = name.partition(":")
    return FragmentKey(int(instance_id), "lists" if part == "lists" else "resources")

"""The store of a scale-out: fragments, ticks and the pollers' memories in Redis, every key with an expiry.

docs/decisions/0003 and 0009. Redis away: what is known here is still served, and everything is read again when it is back.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import msgspec
import redis

from monitoring.backups.judgement import NOTHING_JUDGED, Judgement
from monitoring.known import costs
from monitoring.known.facts import Facts
from monitoring.known.memory import PollMemory
from monitoring.store.local import LocalFragments
from monitoring.store.parts import Parts
from monitoring.store.protocol import Listener, Outline, Tick
from monitoring.wire.fragments import Fragment, FragmentKey, keys_of

logger = logging.getLogger(__name__)

#: Everything can be read from Proxmox again; what nobody renews is of no use.
EXPIRY_SECONDS = 24 * 3600
TIMEOUT_SECONDS = 2.0
#: Keys, ticks and memories are of this layout; another release must not read them.
LAYOUT = 3
#: Replaces a fragment unless a newer one is there, and tells so. Keys: fragment, versions, channel.
REPLACE = """
local known = redis.call('HGET', KEYS[2], ARGV[1])
if known and tonumber(known) >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[4], 'EX', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', KEYS[3], ARGV[5])
return 1
"""

_encode = msgspec.msgpack.encode
_fragment_of = msgspec.msgpack.Decoder(Fragment).decode
_memory_of = msgspec.msgpack.Decoder(PollMemory).decode
_outline_of = msgspec.msgpack.Decoder(Outline).decode
_version_of = msgspec.msgpack.Decoder(int).decode
_tick_of = msgspec.msgpack.Decoder(Tick).decode


class RedisStore:
    """See StateStore; safe for any number of processes and threads."""

    def __init__(self, url: str) -> None:
        timeouts: dict[str, Any] = {
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
        }
        self._redis = redis.Redis.from_url(url, health_check_interval=30, **timeouts)
        # A server has one set of channels for all its databases.
        self.channel = f"{key('ticks')}:{self._redis.connection_pool.connection_kwargs.get('db', 0)}"
        self._replace = self._redis.register_script(REPLACE)
        self._facts = Parts(self._redis, Facts, expiry_seconds=EXPIRY_SECONDS, own={"costs": costs.own})
        self._judgements = Parts(self._redis, Judgement, expiry_seconds=EXPIRY_SECONDS)
        self._local = LocalFragments()
        self._starting = threading.Lock()
        self._follower: threading.Thread | None = None
        self._ended = threading.Event()

    def publish(self, fragment: Fragment) -> None:
        """See StateStore. Fragment and tick travel together, so that a tick never comes first."""
        name, version = name_of(fragment.key), fragment.version
        keys = [key("fragment", name), key("versions"), self.channel]
        told = _encode(Tick("state", fragment.key, version))
        try:
            self._replace(keys=keys, args=[name, version, EXPIRY_SECONDS, _encode(fragment), told])
        except redis.RedisError as error:
            logger.warning("the state could not be shared: Redis %s", type(error).__name__)

    def remove(self, instance_id: int) -> None:
        """See StateStore."""
        self._facts.recent.drop(key("facts", instance_id))
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(key("memory", instance_id), key("facts", instance_id))
                for fragment_key in keys_of(instance_id):
                    name = name_of(fragment_key)
                    pipe.delete(key("fragment", name))
                    pipe.hdel(key("versions"), name)
                    pipe.publish(self.channel, _encode(Tick("gone", fragment_key)))
                pipe.execute()
        except redis.RedisError as error:
            logger.warning("a removed instance could not be told: Redis %s", type(error).__name__)

    def fragments(self) -> dict[FragmentKey, Fragment]:
        """See StateStore. The first call begins to follow the ticks."""
        self._follow()
        return self._local.fragments()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See StateStore."""
        self._follow()
        return self._local.subscribe(listener)

    def broadcast(self, message: bytes) -> None:
        """See StateStore."""
        try:
            self._redis.publish(self.channel, _encode(Tick("message", message=message)))
        except redis.RedisError as error:
            logger.warning("a message could not be sent to the clients: Redis %s", type(error).__name__)

    def load_memory(self, instance_id: int) -> PollMemory | None:
        """See StateStore; a memory that cannot be read is none."""
        try:
            raw: Any = self._redis.hget(key("memory", instance_id), "all")
            return _memory_of(raw) if raw is not None else None
        except (redis.RedisError, msgspec.MsgspecError):
            return None

    def save_memory(self, instance_id: int, memory: PollMemory) -> None:
        """See StateStore."""
        outline = _encode(Outline(memory.duplicate_of, memory.listed_mark))
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key("memory", instance_id), mapping={"all": _encode(memory), "outline": outline})
                pipe.expire(key("memory", instance_id), EXPIRY_SECONDS)
                pipe.execute()
        except redis.RedisError as error:
            logger.warning("a poll could not be remembered: Redis %s", type(error).__name__)

    def load_facts(self, instance_id: int) -> Facts | None:
        """See StateStore; facts that cannot be read are none."""
        try:
            return self._facts.load(key("facts", instance_id))
        except (redis.RedisError, msgspec.MsgspecError):
            return None

    def save_facts(self, instance_id: int, facts: Facts) -> None:
        """See StateStore."""
        try:
            self._facts.save(key("facts", instance_id), facts)
        except redis.RedisError as error:
            logger.warning("what was collected could not be shared: Redis %s", type(error).__name__)

    def outlines(self, instance_ids: Collection[int]) -> dict[int, Outline]:
        """See StateStore; one that cannot be read is empty."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for pk in instance_ids:
                    pipe.hget(key("memory", pk), "outline")
                    pipe.hget(key("facts", pk), "version")
                told = pipe.execute()
            pairs = zip(instance_ids, told[::2], told[1::2], strict=True)
            return {pk: outlined(outline, version) for pk, outline, version in pairs}
        except (redis.RedisError, msgspec.MsgspecError):
            return dict.fromkeys(instance_ids, Outline())

    def load_judgement(self) -> Judgement:
        """See StateStore; one that cannot be read is none."""
        try:
            return self._judgements.load(key("judgement")) or NOTHING_JUDGED
        except (redis.RedisError, msgspec.MsgspecError):
            return NOTHING_JUDGED

    def save_judgement(self, judgement: Judgement) -> None:
        """See StateStore."""
        try:
            self._judgements.save(key("judgement"), judgement)
        except redis.RedisError as error:
            logger.warning("what was judged could not be shared: Redis %s", type(error).__name__)

    def close(self) -> None:
        """Follow no longer, and let the connections go."""
        self._ended.set()
        if self._follower is not None:
            self._follower.join(2 * TIMEOUT_SECONDS)
        self._redis.close()

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
                    self._hear(subscriber)
            except redis.RedisError as error:
                logger.warning(
                    "Redis does not answer (%s); trying again in %.0f s", type(error).__name__, wait
                )
            except Exception:
                logger.exception("a tick could not be followed")
            self._ended.wait(wait)
            wait = min(wait * 2, 15.0)

    def _hear(self, subscriber: Any) -> None:
        silent_since = time.monotonic()
        while not self._ended.is_set():
            message = subscriber.get_message(timeout=1.0)
            if message is not None and isinstance(message.get("data"), bytes):
                self._heard(_tick_of(message["data"]))
                silent_since = time.monotonic()
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
        raw = self._redis.get(key("fragment", name_of(fragment_key)))
        if isinstance(raw, bytes):
            self._local.publish(_fragment_of(raw))

    def _read_all(self) -> None:
        """Compare versions with Redis and fetch what differs."""
        listed: Any = self._redis.hgetall(key("versions"))
        versions = {key_of(name.decode()): int(version) for name, version in listed.items()}
        here = self._local.fragments()
        # Redis that came back empty has lost its memory, not the hosts: keep the last known until polls return.
        self._local.drop(here.keys() - versions.keys() if versions else ())
        for fragment_key, version in versions.items():
            if fragment_key not in here or here[fragment_key].version < version:
                self._read(fragment_key)


def key(kind: str, of: int | str | None = None) -> str:
    """Return the name of a key, which carries its layout."""
    return f"pulse:{LAYOUT}:{kind}" if of is None else f"pulse:{LAYOUT}:{kind}:{of}"


def name_of(fragment_key: FragmentKey) -> str:
    """Return what a fragment is called in Redis."""
    return f"{fragment_key.instance_id}:{fragment_key.part}"


def key_of(name: str) -> FragmentKey:
    """Return which fragment has this name."""
    instance_id, _, part = name.partition(":")
    return FragmentKey(int(instance_id), "lists" if part == "lists" else "resources")


def outlined(outline: bytes | None, facts_version: bytes | None) -> Outline:
    """Return an outline from its two places."""
    known = _outline_of(outline) if outline is not None else Outline()
    version = _version_of(facts_version) if facts_version is not None else 0
    return msgspec.structs.replace(known, facts_version=version)

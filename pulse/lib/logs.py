"""Log lines: one line per event, control characters escaped, known secrets never written."""

from __future__ import annotations

import logging
import re
import threading
import time
from datetime import UTC, datetime

import msgspec

from pulse.lib.causes import CAUSE

#: Forms in which a credential could slip into a message: headers, cookies and the fields of a form.
SECRET_FORMS = re.compile(
    r"(?i)((?:PVE|PBS)APIToken[= ][^\s=:]+[=:]|(?:(?:PVE|PBS|PMG)AuthCookie|pulse_session|__(?:Host|Secure)-pulse)['\"]?\s*[=:]\s*['\"]?|"
    r"(?:X-(?:API|Registration)-Token|CSRFPreventionToken|Authorization)['\"]?\s*[:,]\s*(?:b?['\"])?(?:(?:Bearer|Basic) +)?|"
    r"(?:password|tokenValue|token_value|passphrase|API_TOKEN)['\"]?\s*[=:]\s*['\"]?)"
    r"[^\s'\",;&]+"
)
#: Secrets that are known by their form, in whatever sentence: our own tokens, and what Proxmox gives for a login,
#: tickets, also percent-encoded, and CSRF tokens.
SECRETS = re.compile(
    r"(?i)\bpulse_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{20,}|\bPULSE-REG-[A-Za-z0-9]{8,}|"
    r"\b(?:PVE|PBS|PMG)(?::|%3A)[^\s'\",;&]{1,300}?(?::|%3A){2}[^\s'\",;&]+|"
    r"\b[0-9A-F]{8}(?::|%3A)[A-Za-z0-9+/%]{27,}=*"
)
#: `https://user:password@host`
USER_INFO = re.compile(r"(?i)([a-z][a-z0-9+.-]{0,20}://)[^\s/?#@'\"]{0,300}:[^\s/?#'\"]{0,300}@")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def clean(text: str) -> str:
    """Return the text on one line, without control characters and without anything that looks like a secret."""
    text = without_secrets(text)
    return CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def without_secrets(text: str) -> str:
    """Return the text without anything that looks like a secret; what a host told may quote our own request."""
    text = USER_INFO.sub(r"\1[hidden]@", SECRETS.sub("[hidden]", text))
    return SECRET_FORMS.sub(r"\1[hidden]", text)


class StrangersFilter(logging.Filter):
    """Makes one debug line of what Django logs as an error with a traceback: a request that nobody can read.

    Anybody can send a Host that is not ours, as often as they like; the answer already says it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is to be written."""
        if not record.name.startswith("django.security."):
            return True
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        record.exc_info = record.exc_text = None
        return logging.getLogger().isEnabledFor(logging.DEBUG)


class Told:
    """What fails, by subject: each is told once until it changes or ends. For any number of threads."""

    #: Of more subjects than anybody reads about, the first are told again.
    MOST = 1000

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}
        self._lock = threading.Lock()

    def is_news(self, subject: str, failure: str) -> bool:
        """Note that a subject fails in this way; False when that was told already."""
        with self._lock:
            if self._failing.get(subject) == failure:
                return False
            self._failing.pop(subject, None)
            if len(self._failing) >= self.MOST:
                del self._failing[next(iter(self._failing))]
            self._failing[subject] = failure
        return True

    def is_over(self, subject: str) -> bool:
        """Note that a subject does not fail; True when it was told that it does."""
        if subject not in self._failing:
            return False
        with self._lock:
            return self._failing.pop(subject, None) is not None


class WithoutUnavailable(logging.Filter):
    """Passes what Django tells of requests, but for answers that come of a database that is away: that is told once.

    By `pulse.lib.saving` where the cause is known, else with its traceback, once in a minute.
    """

    SECONDS = 60.0

    def __init__(self) -> None:
        super().__init__()
        self._told_monotonic = -self.SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        from django.db import InterfaceError, OperationalError  # late: logs are set up before Django is

        from pulse.lib import saving

        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return getattr(record, "status_code", 0) != 503
        if not isinstance(error, OperationalError | InterfaceError):
            return True
        now = time.monotonic()
        if saving.is_told(error) or now - self._told_monotonic < self.SECONDS:
            return False
        self._told_monotonic = now
        return True


def suffix(message: str) -> str:
    """Return ` [by ada, from 192.0.2.7, request 0123456789abcdef]`: what of the cause is known and not in the message already."""
    cause = CAUSE.get()
    parts = [
        f"{word} {value}"
        for word, value in (("by", cause.by), ("from", cause.address), ("request", cause.request_id))
        if value and value not in message
    ]
    return f" [{', '.join(parts)}]" if parts else ""


class TextFormatter(logging.Formatter):
    """`2026-01-01T00:00:00Z info nodes.polling: message [cause]`, exceptions indented below."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the lines of a traceback each escaped by itself."""
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = record.getMessage()
        line = f"{at} {record.levelname.lower()} {record.name}: {clean(message + suffix(message))}"
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            line = "\n".join([line, *(f"    {clean(part)}" for part in trace)])
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message; of the cause by, from and request; exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the encoded object."""
        entry = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        cause = CAUSE.get()
        for name, value in (("by", cause.by), ("from", cause.address), ("request", cause.request_id)):
            if value:
                entry[name] = clean(value)
        if record.exc_info:
            entry["exception"] = clean(self.formatException(record.exc_info))
        return msgspec.json.encode(entry).decode()

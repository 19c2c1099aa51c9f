"""Tasks of PVE and PBS: the lists, the ids and the logs of backup runs.

Readers raise BadAnswer only; what reads texts raises nothing. Source: api-facts.md sections 8 and 11.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from nodes.proxmox.properties import unit_size, vmid
from nodes.proxmox.readings.backups import TaskReading, UpidReading, VzdumpGuestReading
from nodes.proxmox.rows import Row, entries, read_rows, rows_of
from nodes.proxmox.values import epoch, name, said, text

UPID_LIMIT = 512
KIND_LIMIT = 64
SUBJECT_LIMIT = 256
USER_LIMIT = 128
STATUS_LIMIT = 500
LINE_LIMIT = 500
LINES_LIMIT = 20_000
#: How the lines begin that tell why something failed: such a line may hold a whole command before its cause.
FAILURES = ("ERROR:", "TASK ERROR:", "WARN:")
FAILURE_LIMIT = 2_000
GUESTS_LIMIT = 20_000

HEX = re.compile(r"[0-9A-Fa-f]{8,16}", re.ASCII)
#: What PBS makes of the characters of an id, as in the names of systemd's units.
ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})", re.ASCII)

STARTING = re.compile(r"INFO: Starting Backup of (?:VM|CT) (\d{1,9}) \((qemu|lxc|openvz)\)", re.ASCII)
FINISHED = re.compile(r"INFO: Finished Backup of (?:VM|CT) (\d{1,9}) \((\d{1,4}):(\d\d):(\d\d)\)", re.ASCII)
FAILED = re.compile(r"ERROR: Backup of (?:VM|CT) (\d{1,9}) failed - ?(.*)", re.ASCII)
ARCHIVE_SIZE = re.compile(r"INFO: archive file size: (\S{1,20})", re.ASCII)
#: Of each archive of a container on its way to a PBS, in the words of its client before and since 2.0.
UPLOADED = re.compile(
    r"INFO: \S{1,200}: had to (?:upload|backup) (\S{1,20} [KMGTP]?i?B) of [^()]{1,40}?(?: \([^()]*\))?"
    r"(?: in (\d{1,7})(?:\.\d+)? ?s\b.*)?",
    re.ASCII,
)
TRANSFERRED = re.compile(r"INFO: transferred (\S{1,20} [KMGTP]?i?B) in ", re.ASCII)


def read_tasks(data: object) -> tuple[TaskReading, ...]:
    """Return the reading of a list of tasks of PVE or PBS, the newest first."""
    readings = read_rows(data, "the tasks", _task)
    return tuple(sorted(readings, key=lambda task: (task.started_epoch or 0, task.upid), reverse=True))


def _task(row: Row) -> TaskReading | None:
    get = row.get
    upid = text(get("upid"), UPID_LIMIT)
    parsed = read_upid(upid)
    if parsed is None:
        return None
    user, token = text(get("user"), USER_LIMIT), text(get("tokenid"), USER_LIMIT)
    if user and token and "!" not in user:
        user = f"{user}!{token}"[:USER_LIMIT]
    ended_epoch = epoch(get("endtime"))
    status = said(get("status"), STATUS_LIMIT)
    return TaskReading(
        upid=upid,
        node=name(get("node")) or parsed.node,
        kind=text(get("type"), KIND_LIMIT) or text(get("worker_type"), KIND_LIMIT) or parsed.kind,
        subject=text(get("id"), SUBJECT_LIMIT) or text(get("worker_id"), SUBJECT_LIMIT) or parsed.subject,
        user=user or parsed.user,
        started_epoch=epoch(get("starttime")) or parsed.started_epoch,
        ended_epoch=ended_epoch,
        # A node's own list says RUNNING of a task that has not ended.
        status="" if ended_epoch is None and status.upper() == "RUNNING" else status,
    )


def read_upid(value: object) -> UpidReading | None:
    """Return what the id of a task tells, None when it is not one.

    PVE: UPID:node:pid:pstart:starttime:type:id:user: - PBS has one field more, a counter before the start time, and
    writes the id with escapes. All numbers are hexadecimal.
    """
    return _upid(text(value, UPID_LIMIT))


@lru_cache(maxsize=4096)
def _upid(upid: str) -> UpidReading | None:
    # Remembered: one verification stands in thousands of snapshots, and a task in every list until it leaves it.
    parts = upid.split(":")
    if len(parts) not in (9, 10) or parts[0] != "UPID" or not parts[1] or parts[-1]:
        return None
    is_pbs = len(parts) == 10
    numbers, (kind, subject, user) = parts[2:-4], parts[-4:-1]
    if not kind or not all(HEX.fullmatch(number) for number in numbers):
        return None
    return UpidReading(
        node=name(parts[1]),
        kind=text(kind, KIND_LIMIT),
        subject=text(_unescaped(subject) if is_pbs else subject, SUBJECT_LIMIT),
        user=text(user, USER_LIMIT),
        started_epoch=epoch(int(numbers[-1], 16)),
    )


def _unescaped(escaped: str) -> str:
    """Return an id as it was before PBS escaped it: "main\\x3avm-100" is "main:vm/100"."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), escaped.replace("-", "/"))


def read_task_log(data: object) -> tuple[str, ...]:
    """Return the lines of a log, each clean and bounded; of a log that does not exist yet Proxmox tells one line."""
    rows = entries(rows_of(data, "a task's log"), LINES_LIMIT)
    lines = tuple(_line(row.get("t")) for row in rows)
    return () if lines == ("no content",) else lines


class Upload(NamedTuple):
    """What the archives of one container have cost so far; None while none has ended."""

    size_bytes: int | None = None
    seconds: int | None = None

    def with_archive(self, size_bytes: int | None, seconds: int) -> Upload:
        """Return the sum with one archive more."""
        return Upload((self.size_bytes or 0) + (size_bytes or 0), (self.seconds or 0) + seconds)


def _line(told: object) -> str:
    is_failure = isinstance(told, str) and told.startswith(FAILURES)
    return said(told, FAILURE_LIMIT) if is_failure else text(told, LINE_LIMIT)


def read_vzdump_log(lines: Iterable[str]) -> tuple[VzdumpGuestReading, ...]:
    """Return how the backup of each guest in a log went, in the order of the log.

    The status of the whole task is "job errors" when one guest of many failed: only the log tells which.
    """
    guests: dict[int, VzdumpGuestReading] = {}
    kind, size_bytes, begun = "", None, None
    upload = Upload()
    for line in lines:
        if match := STARTING.match(line):
            begun, kind, size_bytes, upload = vmid(match[1]), match[2], None, Upload()
            if begun is not None and len(guests) < GUESTS_LIMIT:
                guests[begun] = VzdumpGuestReading(vmid=begun, kind=_kind(kind))
        elif (match := ARCHIVE_SIZE.match(line)) or (match := TRANSFERRED.match(line)):
            size_bytes = unit_size(match[1])
        elif match := UPLOADED.fullmatch(line):
            upload = upload.with_archive(unit_size(match[1]), int(match[2] or 0))
        elif match := FINISHED.match(line):
            number = vmid(match[1])
            if number is not None and number in guests:
                hours, minutes, seconds = (int(part) for part in match.groups()[1:])
                guests[number] = VzdumpGuestReading(
                    vmid=number,
                    kind=guests[number].kind,
                    is_ok=True,
                    seconds=hours * 3600 + minutes * 60 + seconds,
                    size_bytes=(upload.size_bytes if size_bytes is None else size_bytes)
                    if number == begun
                    else None,
                )
        elif match := FAILED.match(line):
            number = vmid(match[1])
            if number is not None and (number in guests or len(guests) < GUESTS_LIMIT):
                begun_guest = guests.get(number)
                guests[number] = VzdumpGuestReading(
                    vmid=number,
                    kind=begun_guest.kind if begun_guest else "",
                    is_ok=False,
                    error=said(match[2], STATUS_LIMIT),
                    seconds=upload.seconds if number == begun else None,
                    size_bytes=upload.size_bytes if number == begun else None,
                )
    return tuple(guests.values())


def _kind(word: str) -> str:
    return "qemu" if word == "qemu" else "lxc"

"""Words of Proxmox and of the connection, spelled as they are stored."""

from __future__ import annotations

from django.db import models


class InstanceKind(models.TextChoices):
    """Which product answers at the other end."""

    PVE = "pve", "Proxmox VE"
    PBS = "pbs", "Proxmox Backup Server"
    PMG = "pmg", "Proxmox Mail Gateway"


class GuestKind(models.TextChoices):
    """A virtual machine or a container."""

    QEMU = "qemu", "Virtual machine"
    LXC = "lxc", "Container"


class PollState(models.TextChoices):
    """How the last poll of an instance ended."""

    NEVER = "never", "Not polled yet"
    OK = "ok", "Answers"
    FAILING = "failing", "Does not answer"
    LOGIN_FAILED = "login-failed", "Login refused"

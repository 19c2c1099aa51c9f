"""System checks of the settings that the door reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from pulse.lib.clients import parse_networks
from pulse.lib.origins import parse_origin


@register("pulse")
def check_proxies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a PULSE_TRUSTED_PROXIES that names no network: every request would fail on it."""
    try:
        parse_networks(tuple(settings.PULSE_TRUSTED_PROXIES))
    except ValueError as error:
        hint = "Write addresses or networks such as 192.0.2.10 or 10.0.0.0/8, separated by commas."
        return [Error(f"PULSE_TRUSTED_PROXIES cannot be read: {error}", hint=hint, id="accounts.E001")]
    return []


@register("pulse")
def check_origins(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse an ALLOWED_ORIGINS entry that no browser would ever send."""
    wrong = [entry for entry in settings.ALLOWED_ORIGINS if entry != "*" and parse_origin(entry) is None]
    if not wrong:
        return []
    hint = "Write origins such as https://panel.example.com, separated by commas, or * alone."
    return [Error(f"ALLOWED_ORIGINS names no origin: {', '.join(wrong)}", hint=hint, id="accounts.E002")]

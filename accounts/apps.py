"""The app that decides who may come in."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    """Accounts, tokens, sessions and the door."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Start the clocks of each new session, whoever opens it."""
        from accounts import checks  # noqa: F401  registers the system checks
        from accounts.sessions import note_sign_in

        user_logged_in.connect(note_sign_in, dispatch_uid="accounts.sessions")

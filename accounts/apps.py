"""The app that decides who may come in."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out


class AccountsConfig(AppConfig):
    """Accounts, tokens, sessions and the door."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Start the clocks of each new session and note the end of each, whoever opens or ends it."""
        from accounts import checks  # noqa: F401  registers the system checks
        from accounts.sessions import note_sign_in, note_sign_out

        user_logged_in.connect(note_sign_in, dispatch_uid="accounts.sessions")
        user_logged_out.connect(note_sign_out, dispatch_uid="accounts.sessions")

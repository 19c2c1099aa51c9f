from django.apps import AppConfig


class PulseConfig(AppConfig):
    name = "pulse"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.fresh import loopback_ended
        from pulse import celery, checks  # noqa: F401  binds shared tasks to our app; registers the system checks
        from pulse.notices import tell

        loopback_ended.connect(tell, dispatch_uid="pulse.notices")

"""What monitoring keeps, in the admin: for an operator in trouble. Django looks here for the classes that are registered."""

from monitoring.admin import backfills, history, remote_write

__all__ = ["backfills", "history", "remote_write"]

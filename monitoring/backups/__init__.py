"""Backups judged from what was read: how a run ended, whose a backup is, which guests are safe. Pure, all of it."""

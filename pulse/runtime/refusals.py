"""Why Pulse does not start, in one sentence and an exit code.

Exit codes: 0 a clean stop, 1 it cannot start now (port or data directory taken, database out of reach, disk
full), 78 the configuration is wrong (EX_CONFIG of sysexits.h; `pulse.env.EnvError`). Service managers may
try again after a 1; after a 78 that is no use.
"""

from __future__ import annotations


class StartRefused(Exception):
    """The start ends here, before anything was served; the message is for the person at the terminal."""

    code = 1


class WrongConfiguration(StartRefused):
    """Trying again does not help until somebody changes something."""

    code = 78

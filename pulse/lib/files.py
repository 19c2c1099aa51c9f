"""Open files: how many connections may take, and how many stay for hosts, the database and the log.

Of 16,384 files, which Pulse asks for, connections take 15,360; of 1,024 they take 768.
"""

from __future__ import annotations

import resource

#: Forty threads with a database of three files each, and the hosts that are asked at once.
LEAST_RESERVE, MOST_RESERVE = 192, 1024
#: What is taken for the limit where there is none.
UNLIMITED = 16_384


def most_connections() -> int:
    """Return how many connections of clients may be open at once."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        files = UNLIMITED
    reserve = min(MOST_RESERVE, max(LEAST_RESERVE, files // 4))
    return max(files - reserve, files // 4)

"""What is wrong by Proxmox's own word, or by a rule that leaves no doubt; pure.

No thresholds that anybody sets, no history and no acknowledgement: that is what alerts are for. A concern is there while the
fact is, and names the resource that it is about.
"""

from __future__ import annotations

from monitoring.concerns.shapes import CRITICAL, WARNING, Concern, Level
from monitoring.concerns.views import pbs_concerns, pmg_concerns, pve_concerns

__all__ = [
    "CRITICAL",
    "WARNING",
    "Concern",
    "Level",
    "pbs_concerns",
    "pmg_concerns",
    "pve_concerns",
]

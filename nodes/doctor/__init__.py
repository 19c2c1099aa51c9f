"""The permission doctor: what an account may not see, what is missing without it, and the line that repairs it; pure.

Proxmox leaves out what an account may not see and answers 200, so a missing privilege looks like an empty house. The table
says for each feature what it needs; the examination compares it with GET /access/permissions.
"""

from nodes.doctor.examination import Finding, PathFinding, State, examine, repairs, version_of
from nodes.doctor.features import FEATURES, Feature
from nodes.doctor.lines import is_account

__all__ = [
    "FEATURES",
    "Feature",
    "Finding",
    "PathFinding",
    "State",
    "examine",
    "is_account",
    "repairs",
    "version_of",
]

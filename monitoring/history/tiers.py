"""How wide the buckets of each tier are, and how long they stay; pure."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.choices import Tier

HOUR = 3_600
DAY = 86_400

#: Seconds of a bucket; of the finest tier how often Proxmox renews its figures.
STEPS: Mapping[Tier, int] = {
    Tier.TEN_SECONDS: 10,
    Tier.MINUTE: 60,
    Tier.FIVE_MINUTES: 300,
    Tier.HOUR: HOUR,
    Tier.SIX_HOURS: 6 * HOUR,
}
#: The tiers that the closed hour of samples becomes, and those that closed days and months become.
SEALED = (Tier.TEN_SECONDS, Tier.MINUTE, Tier.FIVE_MINUTES, Tier.HOUR)
#: Days that each tier stays, with up to MANY objects,
DAYS: Mapping[Tier, float] = {
    Tier.TEN_SECONDS: 7,
    Tier.MINUTE: 30,
    Tier.FIVE_MINUTES: 90,
    Tier.HOUR: 730,
    Tier.SIX_HOURS: 3_650,
}
#: and with more.
DAYS_OF_MANY: Mapping[Tier, float] = {**DAYS, Tier.TEN_SECONDS: 1}
#: Guests beyond which the finest tier stays for a day alone.
MANY = 2_000


def days_of(tier: Tier, *, guests: int) -> float:
    """Return how many days a tier stays."""
    return (DAYS_OF_MANY if guests > MANY else DAYS)[tier]


def tier_for(step_seconds: float) -> Tier:
    """Return the coarsest tier whose buckets are not wider than this; the finest when there is none."""
    fitting = [tier for tier in Tier if STEPS[tier] <= step_seconds]
    return max(fitting, default=Tier.TEN_SECONDS)

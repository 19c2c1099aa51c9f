"""When a figure is stale, and when it no longer counts as the present; pure.

Stale is at once: what a poll could not renew, be it the first that failed, is shown as it was last seen, and marked (`is_stale`).
After the grace a PVE that does not answer has nodes that are offline (`figures.nodes.remembered_node`); what becomes of the guests
and storages of one node that is away is in `known.presence`. A PBS or PMG that does not answer is offline at once.
Source: state.md 6 of the contract.
"""

#: After this long without an answer the last figures no longer count as the present.
GRACE_SECONDS = 60.0

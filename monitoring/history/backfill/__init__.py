"""Proxmox's own records: read for the time before Pulse watched, and for the time in which it saw nothing.

`orders` says what is to be read, `work` reads it in slices; between them stand rows, so that a stop loses nothing.
"""

from monitoring.history.backfill.orders import ask, cancel, failed, fill_gap, order_for_new

__all__ = ["ask", "cancel", "failed", "fill_gap", "order_for_new"]

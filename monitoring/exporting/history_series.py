"""What the history holds as series."""

from __future__ import annotations

from monitoring.exporting.catalogue import Book
from monitoring.exporting.exposition import spelled
from monitoring.history import retention


def add_history(book: Book) -> None:
    """Write down how much there is of each tier, and how much there may be of all."""
    book.add("pulse_history_budget_bytes", "", retention.budget_bytes())
    for tier, held in retention.held().items():
        labels = spelled({"tier": str(tier.label)})
        book.add("pulse_history_stored_bytes", labels, held.stored_bytes)
        book.add("pulse_history_values", labels, held.value_count)
        book.add("pulse_history_oldest_timestamp_seconds", labels, held.oldest_epoch)

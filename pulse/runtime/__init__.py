"""How Pulse runs: one process that does everything, or web, worker and beat apart."""

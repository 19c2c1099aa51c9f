"""Prometheus remote write 1.0: our own samples, sent on to an engine that was made to keep years of them.

The history is the queue. A row says for each target and instance from when on samples are still to be sent, so that a restart loses
nothing and nothing waits in memory.
"""

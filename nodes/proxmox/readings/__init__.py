"""What API calls returned, parsed: facts with units in their names. None means that it was not told.

Numbers are finite, sizes are bytes, ratios are 0 to 1 and may exceed 1 where Proxmox says so, uptimes and
epochs are seconds. Texts are cleaned of control characters and bounded in length, and remain untrusted.
"""

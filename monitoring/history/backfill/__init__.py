"""Proxmox's own records: read for the time before Pulse watched, and for the time in which it saw nothing."""

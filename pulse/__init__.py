"""Pulse: one screen that tells the truth about every Proxmox VE and Proxmox Backup Server host."""

__version__ = "0.1.0"

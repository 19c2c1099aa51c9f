"""The permission doctor: what an account may not see, what is missing without it, and the line that repairs it; pure.

Proxmox leaves out what an account may not see and answers 200, so a missing privilege looks like an empty house. The table
says for each feature what it needs; the examination compares it with GET /access/permissions.
"""

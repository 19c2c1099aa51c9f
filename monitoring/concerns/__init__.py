"""What is wrong by Proxmox's own word, or by a rule that leaves no doubt; pure.

No thresholds that anybody sets, no history and no acknowledgement: that is what alerts are for. A concern is there while the
fact is, and names the object that it is about. Which rules apply to what is in `applying`.
"""

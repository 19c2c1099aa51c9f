"""Why a figure of a guest or a node is not known, or is not to be trusted, as parts of sentences.

The page has the same in `pulse/static/pulse/js/words.js`, where codes stand in the state; a test compares the two.
"""

#: By the code that stands in the figures, which wire sends as it is.
REASONS = {
    "": "",
    "no_balloon": "the balloon driver of the guest does not report, so this is what the host has given it",
    "near_maximum": "it is the host's view and near the maximum, where caches of the guest count as used",
    "just_booted": "the guest has booted just now",
    "stopped": "the guest does not run",
    "not_told": "Proxmox did not tell it",
    "not_read_yet": "it has not been read yet",
    "agent_disabled": "the guest agent is not enabled in the guest's options",
    "agent_not_running": "the guest agent is enabled and does not answer: is it installed and running?",
    "agent_timeout": "the guest agent did not answer in time",
    "agent_refused": "the guest agent does not allow this call",
    "no_permission": "the account may not see it",
    "not_supported": "the guest tells no file system that can be counted",
}

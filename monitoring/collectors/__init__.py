"""The slow lanes: which errands each kind of instance has. See monitoring.collecting for how they are run."""

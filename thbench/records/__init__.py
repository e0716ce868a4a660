"""Every file of a run as a typed record: what it must hold, and the one way to read it."""

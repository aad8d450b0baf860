"""Stand-ins for servers that no package registry offers: they keep state and act on it."""

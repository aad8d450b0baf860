"""The lab: a whole fleet on one machine, from real servers where packages exist and doubles elsewhere."""

"""Polls: one run against one source, also when it failed; what it rejected; where the record has gaps."""

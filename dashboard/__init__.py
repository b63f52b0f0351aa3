"""The reader: pages over what is stored."""

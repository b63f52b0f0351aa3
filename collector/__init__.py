"""The writer: fetches, parses and stores, on a schedule or on demand."""

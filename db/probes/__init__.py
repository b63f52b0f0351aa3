"""Probes: timed requests to endpoints, their roll-ups, the watch list and the probe budget."""

"""The price ledger: bitemporal and append-only."""

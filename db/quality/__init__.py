"""How endpoints compare: effective price, what was measured and reported, and who is dominated by whom."""

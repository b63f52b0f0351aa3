"""Plans: what a period will cost, why, and what is worth telling somebody about."""

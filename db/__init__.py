"""What is stored and what it means; the only place where collector and dashboard meet."""

"""Usage: what was asked of models, and what it cost."""

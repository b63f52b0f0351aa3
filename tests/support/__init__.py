"""Real things for tests to run against: a PostgreSQL server, a browser, and a guard over the network."""

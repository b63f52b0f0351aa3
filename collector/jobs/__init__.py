"""Jobs: the only place where fetching, parsing and storing meet. One transaction each."""

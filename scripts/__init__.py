"""The command line, and the shell scripts that developers run."""

"""The command line: what each command prints, writes and refuses."""

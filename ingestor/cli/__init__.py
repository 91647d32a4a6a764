"""The command line: one file per command, no logic. Heavy imports happen inside the commands."""

"""The command line, the study's settings, landing, and the refresh with its steps. No statistics."""

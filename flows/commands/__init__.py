"""What the commands find and say; the command line itself is `flows.cli`."""

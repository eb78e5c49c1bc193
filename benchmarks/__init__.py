"""What the claims about speed and memory rest on; nothing of it is installed."""

"""The next warehouse becomes the published one, or an earlier one does again; what changed between them."""

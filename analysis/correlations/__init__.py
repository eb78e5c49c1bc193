"""Correlation matrices from rows, pairs, EM or sums over a stream; Pearson and polychoric."""

"""Landing: every cell of every delivery as text into ``work/landing.duckdb``, with file and row.

Nothing is guessed, cast or dropped here. ``discover`` finds the files, ``readers`` read one format each, ``records``
packs what they read, ``store`` keeps it, and ``land`` holds them together.
"""

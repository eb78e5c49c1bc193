"""Counts in sentences."""

from __future__ import annotations


def several(n: float, one: str, many: str | None = None) -> str:
    """A count with its noun, and its verb where it has one, in singular or plural; ``many`` where an s does not do.

    >>> several(1, "row"), several(30, "row"), several(1, "dyad was", "dyads were"), several(0, "analysis", "analyses")
    ('1 row', '30 rows', '1 dyad was', '0 analyses')
    """
    whole = int(n) if n == int(n) else n
    return f"{whole} {one if n == 1 else many or one + 's'}"

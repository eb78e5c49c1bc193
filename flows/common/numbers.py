"""Numbers as text, the way the build reads them: optional sign, one decimal mark, no thousands mark; and of bytes."""

from __future__ import annotations

import re
from functools import lru_cache

_BYTES = re.compile(r"([1-9]\d*(?:\.\d+)?)\s?([KMGT])(i?)B")
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)")


def as_number(text: str, decimal_mark: str | None = None) -> float | None:
    """The number a text is, or None. Without ``decimal_mark`` both marks are read.

    >>> as_number(" +1,5 ", ","), as_number("1,5", "."), as_number("5 times")
    (1.5, None, None)
    """
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        return None
    other = {".": ",", ",": "."}.get(decimal_mark or "")
    if other is not None and other in stripped:
        return None
    return float(stripped.replace(",", "."))


@lru_cache(maxsize=4096)
def spellings(code: str, decimal_mark: str) -> tuple[str, ...]:
    """Ways the same code is written by different tools: ``99`` also as ``99.0``, ``+99`` and the reverse.

    A code that is no number has only its own spelling. The first spelling is the code as it is.
    """
    number = as_number(code, decimal_mark)
    if number is None:
        return (code,)
    plain = f"{number:.15g}"
    if "e" in plain or "inf" in plain:
        return (code,)
    plain = plain.replace(".", decimal_mark)
    written = [code, plain]
    if decimal_mark not in plain:
        written += [f"{plain}{decimal_mark}0", f"{plain}{decimal_mark}00"]
    if number > 0:
        written += [f"+{each}" for each in tuple(written) if not each.startswith("+")]
    return tuple(dict.fromkeys(written))


def as_bytes(text: str) -> int | None:
    """The bytes of an amount of memory, or None.

    >>> as_bytes("800MB"), as_bytes("1.5 GiB"), as_bytes("much")
    (800000000, 1610612736, None)
    """
    found = _BYTES.fullmatch(text)
    if found is None:
        return None
    amount, unit, binary = found.groups()
    return int(float(amount) * (1024 if binary else 1000) ** " KMGT".index(unit))

"""Names of any script in Latin letters, for pictures and LaTeX whose fonts have no others."""

from __future__ import annotations

import unicodedata

from anyascii import anyascii


def in_latin(character: str) -> str:
    """A character in ASCII letters: "方" becomes "Fang", "Ж" becomes "Zh".

    A letter or mark that is silent by itself and what only formats become nothing; anything else
    that has no reading becomes its code point, U+E000.
    """
    if read := anyascii(character):
        return str(read)
    category = unicodedata.category(character)
    return "" if category[0] in "LM" or category == "Cf" else f"U+{ord(character):04X}"

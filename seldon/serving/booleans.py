"""Whether JSON may hold true or false, which C takes for numbers: looked for in less time than it takes to parse it."""


def may_hold_booleans(text: bytes) -> bool:
    """Tell whether JSON may hold a boolean anywhere: it cannot without these words."""
    return _holds(text, b"true", 2) or _holds(text, b"false", 0)


def _holds(text: bytes, word: bytes, rare: int) -> bool:
    """Tell whether a text holds a word, by a letter of it that numbers and most names lack.

    A search for one letter is a hundred times faster than one for a word, unless it finds many.
    """
    letter, at = word[rare : rare + 1], -1
    for _ in range(16 + len(text) // 256):
        at = text.find(letter, at + 1)
        if at < 0:
            return False
        if text.startswith(word, max(at - rare, 0)):
            return True
    return text.find(word, max(at - rare, 0)) >= 0

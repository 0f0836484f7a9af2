"""Words that agree with a number: 1 cover, 2 covers."""

_ONE_BELOW_TWO = frozenset({"fr", "pt-br"})
"""Languages in which 0 takes the singular too (CLDR's plural rules): 0 couverture."""


def is_singular(number: int, language: str = "en") -> bool:
    """Return whether a noun that goes with the number is in the singular.

    The rule of English, German and most languages with two forms, and the one of French.
    """
    return number < 2 if language.lower() in _ONE_BELOW_TWO else number == 1


def agreeing(number: int, one: str, many: str) -> str:
    """Return the words that agree with a number, in English: `is` or `are`."""
    return one if is_singular(number) else many


def counted(number: int, thing: str, things: str = "") -> str:
    """Return a number with its noun, in English: "1 file", "2 files"."""
    return f"{number} {agreeing(number, thing, things or thing + 's')}"


def spaced(number: int) -> str:
    """Return a number in groups of three, separated by a narrow space that does not break (ISO 80000-1)."""
    return f"{number:,}".replace(",", "\u202f")

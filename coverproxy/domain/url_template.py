"""Templates that turn an ISBN into a URL, a path or a key: text with placeholders in braces."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stdnum import isbn as stdnum_isbn

from coverproxy.domain import isbn, schemes
from coverproxy.domain.identifier import ISBN, Identifier

FIELDS = ("isbn13", "isbn10", "isbn13_hyphens", "isbn10_hyphens")

_DIGITS = {"isbn13": 13, "isbn10": 10}
"""Fields that can be sliced, and their fixed lengths."""

_PLACEHOLDER = re.compile(r"(\{[^{}]*\})")
_INSIDE = re.compile(r"\{([^:{}]*)(?::([0-9]{1,2}):([0-9]{1,2}))?\}")


@dataclass(frozen=True, slots=True)
class _Field:
    """A form of the ISBN, or its digits from `start` up to, but excluding, `stop` (None: all of it)."""

    name: str
    start: int = 0
    stop: int | None = None


class Template:
    """A template, parsed and checked once. Raises ValueError naming the wrong placeholder.

    Placeholders: `{isbn13}`, `{isbn10}`; `{isbn13_hyphens}`, `{isbn10_hyphens}` (by the ranges of the
    International ISBN Agency, as far as python-stdnum knows them); and slices of the first two, counted from
    0 with the end excluded, as `{isbn13:0:4}`. Together they must identify one ISBN: a shard alone would give
    a thousand books the same picture.

    Braces cannot be literal, and there are no attributes, calls or conversions as in str.format(), because
    those reach into objects. In a URL, write a brace as %7B or %7D.
    """

    def __init__(self, text: str) -> None:
        pieces = _PLACEHOLDER.split(text)
        if stray := next((piece for piece in pieces[::2] if set(piece) & set("{}")), None):
            raise ValueError(f"{stray!r} has a brace without its other half")
        self._parts = [_field(piece) if at % 2 else piece for at, piece in enumerate(pieces)]
        self._names = {part.name for part in self._parts if isinstance(part, _Field)}
        if not _names_one_book(part for part in self._parts if isinstance(part, _Field)):
            raise ValueError(f"{text!r} does not name one book; expected a whole {{isbn13}} or {{isbn10}}")
        self.text = text

    def fill(self, identifier: Identifier) -> str | None:
        """Fill in *identifier*. Returns None if it is not an ISBN, or is a 979 where an ISBN-10 is needed.

        An ISMN is as good as an ISBN: its 13 digits are in the same series of numbers.

        Only digits, X and hyphens are inserted, so a client cannot change a URL's host or leave a folder, and
        nothing needs percent-encoding.
        """
        if identifier.scheme not in (ISBN, schemes.ISMN):
            return None
        ten = isbn.to_isbn10(identifier.value)
        forms = {name: _form(name, identifier.value, ten) for name in self._names}
        if None in forms.values():
            return None
        return "".join(part if isinstance(part, str) else _cut(part, forms) for part in self._parts)


class PathTemplate(Template):
    """A template of a relative path or key. Each has one spelling, and none leads outside its root."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        if not {"", ".", ".."}.isdisjoint(text.split("/")):
            raise ValueError(
                f"{text!r} is not a relative path: no / at its start or end, no //, and no part . or .."
            )
        if not text.isprintable():
            raise ValueError(f"{text!r} contains a character that does not print")


def _field(placeholder: str) -> _Field:
    """Parse one placeholder, with its braces."""
    found = _INSIDE.fullmatch(placeholder)
    if found is None or found[1] not in FIELDS:
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise ValueError(
            f"{placeholder} is not a placeholder; expected one of {known}, or a slice like {{isbn13:0:4}}"
        )
    if found[2] is None:
        return _Field(found[1])
    length = _DIGITS.get(found[1])
    if length is None:
        raise ValueError(f"{placeholder} slices a number whose hyphens move; slice {{isbn13}} or {{isbn10}}")
    start, stop = int(found[2]), int(found[3])
    if not start < stop <= length:
        raise ValueError(f"{placeholder} is not a slice of {length} digits; expected 0 <= start < stop")
    return _Field(found[1], start, stop)


def _names_one_book(fields: Iterable[_Field]) -> bool:
    """Return whether the fields identify one ISBN. The check digit may be missing: the rest implies it."""
    seen: dict[str, set[int]] = {}
    for field in fields:
        if field.stop is None:
            return True
        seen.setdefault(field.name, set()).update(range(field.start, field.stop))
    return any(digits >= set(range(_DIGITS[name] - 1)) for name, digits in seen.items())


def _form(name: str, thirteen: str, ten: str | None) -> str | None:
    digits = thirteen if name.startswith("isbn13") else ten
    if digits is None or name in _DIGITS:
        return digits
    hyphened: str = stdnum_isbn.format(digits)
    return hyphened


def _cut(field: _Field, forms: dict[str, str | None]) -> str:
    return (forms[field.name] or "")[field.start : field.stop]

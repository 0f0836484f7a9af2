"""An address of the service as /openapi.json describes it: values only."""

from dataclasses import dataclass
from typing import Any

from coverproxy.domain.errors import CoverError

EXAMPLE_KEY = "cp_abcdefghijkmnpqrstuvwxyz23"
"""The key in the document's examples; a page has the reader's instead."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an address: its place, its meaning, and its JSON Schema."""

    name: str
    place: str
    tells: str
    schema: dict[str, Any]
    example: Any = None
    is_list: bool = False
    is_required: bool = False


TAGS: dict[str, str] = {
    "covers": "Covers",
    "keys": "What a key has: lists, changes, use",
    "originals": "Send covers, decide about them",
    "others": "Addresses of other services",
    "pages": "Pages for people",
    "admin": "Administration",
}
"""The groups of addresses, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address with a method.

    `gives`: by media type, the type or the schema of the body of a success, which has one of `statuses`.
    `refuses`: its errors, besides those that every address can have. `takes`: by media type, the request's
    body. `route`: the router's pattern, if it differs from the path. `is_image`: answers with a cover.
    `refuses_as`: by media type, the body of a refusal, if it is not a problem. `is_page`: for people; all
    other answers are pages that say why. `tag`: its group, one of TAGS.
    """

    path: str
    summary: str
    gives: dict[str, Any]
    method: str = "get"
    tells: str = ""
    parameters: tuple[Parameter, ...] = ()
    refuses: tuple[type[CoverError], ...] = ()
    takes: dict[str, Any] | None = None
    route: str = ""
    is_image: bool = False
    refuses_as: dict[str, Any] | None = None
    is_page: bool = False
    tag: str = "pages"
    statuses: tuple[int, ...] = (200,)

    @property
    def is_of_key(self) -> bool:
        """Whether a key is part of the path: then the answer has quota headers."""
        return "{key}" in self.path

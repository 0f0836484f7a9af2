"""One address of the service as /openapi.json describes it: values only."""

from dataclasses import dataclass
from typing import Any

from coverproxy.domain.errors import CoverError


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of an address: where it stands, what it says, and its JSON Schema."""

    name: str
    place: str
    tells: str
    schema: dict[str, Any]
    example: Any = None
    is_list: bool = False
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """One address with one method.

    `gives`: by media type, the shape (a type) or the schema of a 200's body. `refuses`: the errors it can
    answer with beside what every address can. `takes`: likewise, by media type, of the request's body.
    `route`: the router's pattern, where it is not the path itself. `is_image`: a cover's answers.
    `refuses_as`: by media type, the body of a refusal where it is not a problem. `is_page`: for people, to
    whom every other answer is a page that says why.
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

    @property
    def is_of_key(self) -> bool:
        """Whether a key is part of the path: the quota is then on the answer."""
        return "{key}" in self.path

"""The HTML to copy for a book's cover, and the templates of catalogues."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import escape

LIST_SIZE = "medium"
"""The size for lists in catalogues; every config has it."""

EXAMPLE = "9780141439518"
"""The ISBN in an example URL: a classic that most collections have."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A size of a cover: its name, its true sides in px, and its address."""

    name: str
    width: int
    height: int
    url: str


def html(picture: Picture, alt: str) -> str:
    """Return an image tag that reserves the picture's space while it loads."""
    return (
        f'<img src="{escape(picture.url)}" alt="{escape(alt)}"'
        f' width="{picture.width}" height="{picture.height}">'
    )


def html_sharp(pictures: Iterable[Picture], alt: str) -> str:
    """Return a tag with every size, from which the browser picks the one for its screen."""
    ordered = sorted(pictures, key=lambda each: each.width)
    chosen = next(each for each in ordered if each.name == LIST_SIZE)
    choice = ",\n             ".join(f"{escape(each.url)} {each.width}w" for each in ordered)
    return (
        f'<img src="{escape(chosen.url)}"\n     srcset="{choice}"\n     sizes="{chosen.width}px"'
        f' alt="{escape(alt)}"\n     width="{chosen.width}" height="{chosen.height}" loading="lazy">'
    )


def of_catalogues(base: str, key: str, size: str) -> list[dict[str, str]]:
    """Return what to set where: templates of Koha and others, with their placeholders for the ISBN.

    Koha shows anything with a height, so it must get errors: the pixel would count as a cover.
    """
    start = f"{base}/devkey/{key}/{size}/isbn/"
    return [
        {
            "name": "Koha: OPACCustomCoverImages, CustomCoverImagesURL",
            "code": f"{start}{{isbn}}?default=404",
        },
        {
            "name": "VuFind, PHP",
            "code": f'<img src="{start}<?=urlencode($isbn)?>" alt="">',
        },
        {
            "name": "Evergreen, Template Toolkit",
            "code": f'<img src="{start}[% isbn | uri %]" alt="">',
        },
        {
            "name": "Blacklight, ERB",
            "code": f'<img src="{start}<%= ERB::Util.url_encode(isbn) %>" alt="">',
        },
    ]

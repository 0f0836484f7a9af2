"""What a picture shows, by the words in its file name."""

import unicodedata

import pytest

from coverproxy.domain.picture_role import role_of

BOOK = "9780141439518"


@pytest.mark.parametrize(
    ("behind", "role"),
    [
        ("_back", "back"), ("-Backcover", "back"), ("_rear", "back"), (".back", "back"), (" (back)", "back"),
        ("_U4", "back"), ("_u4_web", "back"), ("_Rückseite", "back"), ("-hinten", "back"),
        ("_quatrième", "back"), ("-contraportada", "back"), ("_back2", "back"), ("_large_back", "back"),
        ("_spine", "spine"), ("-Buchrücken", "spine"), ("_int1", "inside"), ("_interior_03", "inside"),
        ("-page12", "inside"), ("_Klappe", "inside"), ("_author", "author"),
        ("_C4", "back"), ("-c4-web", "back"), ("_authorphoto", "author"), ("_TableOfContents", "inside"),
    ],
)  # fmt: skip
def test_words_behind_the_number_say_what_it_shows(behind: str, role: str) -> None:
    """In the languages of the trade, in any case, and as a Mac writes accents."""
    assert role_of(BOOK + behind) == role
    assert role_of(unicodedata.normalize("NFD", BOOK + behind)) == role


@pytest.mark.parametrize(
    "name",
    [
        BOOK, f"{BOOK}_front", f"{BOOK}_front_back", f"back_{BOOK}", f"{BOOK}-back-to-methuselah",
        f"{BOOK}_Vorderseite", f"{BOOK}_U1", f"{BOOK}_u41", f"{BOOK}_backgammon", f"{BOOK}-L", "back",
        f"{BOOK}_C1", f"{BOOK}_c41",
    ],
)  # fmt: skip
def test_other_names_are_of_a_front(name: str) -> None:
    """A front, a title, and longer words that begin alike."""
    assert role_of(name) is None

"""The texts of the pages: whole in every language, and replaced by an operator's own without surprises."""

import re
from pathlib import Path

import pytest

from coverproxy.config import Site
from coverproxy.domain.errors import ConfigError
from coverproxy.web import texts

WEB = Path(texts.__file__).parents[1]


def test_a_translation_has_every_text_with_its_gaps() -> None:
    """German has the same texts as English, each with the same gaps to fill."""
    english, german = texts.builtin("en"), texts.builtin("de")

    assert english.keys() == german.keys()
    assert [name for name in english if texts.gaps(english[name]) != texts.gaps(german[name])] == []


def test_every_text_that_a_page_asks_for_is_there() -> None:
    """Each name in a template or handler is a text, or the beginning of some."""
    sources = [*WEB.rglob("*.html"), *WEB.rglob("pages/*.py")]
    asked = {
        name
        for file in sources
        for name in re.findall(r"""\b(?:t|texts)\(f?["']([a-z_.]+)""", file.read_text())
    }
    known = texts.builtin("en")

    assert len(asked) > 150
    assert [name for name in asked if not any(each.startswith(name) for each in known)] == []


def test_a_file_replaces_some_texts(tmp_path: Path) -> None:
    """What the operator's file has is taken from it, all else stays; gaps are filled, and never run."""
    file = tmp_path / "texts.toml"
    file.write_text('[usage]\nin = "{minutes} of {hours}"\n[home]\nlead = "{x.__class__} {0}"\n')
    loaded = texts.load(Site(language="fr", texts=str(file)))

    assert loaded.language == "fr"
    assert loaded("usage.in", hours=1, minutes=2) == "2 of 1"
    assert loaded("home.lead") == "{x.__class__} {0}"
    assert loaded("nav.home") == "Home"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[home]\nlede = "x"', "home.lede: no such text"),
        ('[home]\nlead = "{what}"', "home.lead: there is nothing to put into {what}"),
        ("not toml", "Expected"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, told: str) -> None:
    """An unknown text, an unknown gap and a file that is no TOML are mistakes of the config."""
    file = tmp_path / "texts.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(told)):
        texts.load(Site(texts=str(file)))


def test_an_unknown_language_needs_a_file() -> None:
    """A language without texts is a mistake, and not English by surprise."""
    with pytest.raises(ConfigError, match="no texts in 'fr'"):
        texts.load(Site(language="fr"))

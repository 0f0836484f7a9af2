"""The texts of the pages: whole in every language, and replaced by an operator's own without surprises."""

import re
from pathlib import Path

import pytest

from coverproxy.config import Site
from coverproxy.domain.errors import ConfigError
from coverproxy.domain.file_kinds import NAMES
from coverproxy.web import texts

WEB = Path(texts.__file__).parents[1]


LANGUAGES = sorted(file.stem for file in Path(texts.__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_every_text_with_its_gaps(language: str) -> None:
    """Each language has the same texts as English, each with the same values to show, and none is empty."""
    english, other = texts.builtin("en"), texts.builtin(language)

    assert english.keys() == other.keys()
    assert [name for name in english if texts.gaps(english[name]) != texts.gaps(other[name])] == []
    assert [name for name in other if not other[name]] == []


def test_every_kind_of_file_has_a_name_on_the_pages() -> None:
    """In English the one that programs are told, so that both can be found in the documentation."""
    english = texts.builtin("en")

    assert {name: english[f"kind.{name}"] for name in NAMES} == NAMES
    assert {each for each in english if each.startswith("kind.")} == {f"kind.{name}" for name in NAMES}


def test_languages_are_translated() -> None:
    """A language shares few texts with another: names and units, and no sentence."""
    assert LANGUAGES == ["de", "en", "fr"]
    for one, other in (("en", "de"), ("en", "fr"), ("de", "fr")):
        first, second = texts.builtin(one), texts.builtin(other)
        same = [name for name in first if first[name] == second[name]]
        assert len(same) < 30
        assert [name for name in same if len(first[name].split()) > 4] == []


def test_the_sites_own_language_is_offered_first(tmp_path: Path) -> None:
    """Then those of the config, each whole; the operator's texts are in the site's own language alone."""
    file = tmp_path / "texts.toml"
    file.write_text('[nav]\nhome = "Thuis"\n')
    loaded = texts.load_all(Site(language="nl", languages=("fr", "nl", "de"), texts=str(file)))

    assert list(loaded) == ["nl", "fr", "de"]
    assert [each("nav.home") for each in loaded.values()] == ["Thuis", "Accueil", "Start"]
    assert list(texts.load_all(Site(language="de", languages=()))) == ["de"]
    with pytest.raises(ConfigError, match="no texts in 'nl'"):
        texts.load_all(Site(languages=("nl",)))


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
    loaded = texts.load(Site(language="nl", texts=str(file)))

    assert loaded.language == "nl"
    assert loaded("usage.in", hours=1, minutes=2) == "2 of 1"
    assert loaded("home.lead") == "{x.__class__} {0}"
    assert loaded("nav.home") == "Home"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[home]\nlede = "x"', "home.lede: no such text"),
        ('[home]\nlead = "{what}"', "home.lead: there is nothing to put into {what}"),
        ('[rotate]\nlead = "{days:day|days}"', "rotate.lead: there is nothing to put into {days:…}"),
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
    with pytest.raises(ConfigError, match="no texts in 'nl'"):
        texts.load(Site(language="nl"))


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", ["0 keys, 1 waiting", "1 key, 0 waiting", "1\u202f200 keys, 2 waiting"]),
        ("de", ["0 Schlüssel, 1 wartet", "1 Schlüssel, 0 warten", "1\u202f200 Schlüssel, 2 warten"]),
        ("fr", ["0 clé, dont 1", "1 clé, dont 0", "1\u202f200 clés, dont 2"]),
    ],
)
def test_words_agree_with_their_number(language: str, told: list[str]) -> None:
    """One of a thing is in the singular, in French none of it too; large numbers are in groups of three."""
    says = texts.load(Site(language=language))
    pairs = ((0, 1), (1, 0), (1200, 2))
    shown = [says("admin.count", count=count, waiting=waiting) for count, waiting in pairs]
    assert [text[: len(start)] for text, start in zip(shown, told, strict=True)] == told


def test_what_words_agree_with_is_given_by_every_page() -> None:
    """Each page that shows a text gives the number that its words agree with, in any language."""
    agreeing: dict[str, set[str]] = {}
    for language in LANGUAGES:
        for name, text in texts.builtin(language).items():
            agreeing.setdefault(name, set()).update(texts.agreements(text))
    calls = "".join(file.read_text() for file in (*WEB.rglob("*.html"), *WEB.rglob("pages/*.py")))
    shown = {
        name: re.findall(rf"""\b(?:t|texts)\("{re.escape(name)}"(.*?(?:\)|$))""", calls, re.MULTILINE)
        for name, numbers in agreeing.items() if numbers
    }  # fmt: skip

    assert len([calls for calls in shown.values() if calls]) > 20
    assert [
        (name, call) for name, calls in shown.items() for call in calls
        for number in agreeing[name] if f"{number[1:-3]}=" not in call
    ] == []  # fmt: skip


def test_french_is_set_as_it_is_printed() -> None:
    """Spaces before colons and marks do not break, apostrophes are curved."""
    french = texts.builtin("fr")

    assert french["foot.contact"] == "Questions\u00a0:"
    assert french["usage.role_asked"].startswith("Rôle demandé\u00a0: «\u202f{role}\u202f»")
    assert [name for name, text in french.items() if re.search(r" [:;?!»](?:\s|$)|« |\w'\w", text)] == []
    assert " ?default=404" in french["item.none"]

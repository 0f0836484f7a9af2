"""The configuration: defaults, the example that shows them, overrides, and mistakes told all at once.

`python tests/config/test_config.py` writes today's defaults into config.example.toml and keeps its words.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from coverproxy.cli import main
from coverproxy.config import RESERVED_SIZES, Avif, Config, Jpeg, Size, load, resolved, unset, without_secrets
from coverproxy.config.ladder import rung
from coverproxy.config.presets import PRESETS
from coverproxy.config.sizes import default_sizes
from coverproxy.config.tree import merged
from coverproxy.domain.errors import ConfigError
from coverproxy.domain.formats import Format
from coverproxy.web import texts

EXAMPLE = Path(__file__).resolve().parents[2] / "config.example.toml"
SETTING = re.compile(r"(?P<name>[a-z_0-9]+) = (?P<value>.*)")
TABLE = re.compile(r"\[(?P<path>[a-z_0-9.]+)\]")
EXPLAINED_ELSEWHERE = ("sizes.medium", "sizes.large", "sizes.xlarge")
"""Tables whose keys are explained once, under [sizes.small]."""

Lines = list[tuple[str, str, str]]


def defaults() -> dict[str, Any]:
    """Every key by its TOML path, with its default, found by walking the model."""
    return dict(walked(Config.model_validate({}), ""))


def walked(section: BaseModel, above: str) -> Iterator[tuple[str, Any]]:
    for name, field in type(section).model_fields.items():
        path, value = f"{above}{field.alias or name}", getattr(section, name)
        if isinstance(value, BaseModel):
            yield from walked(value, f"{path}.")
        elif name == "sizes":
            for size in value:
                yield from walked(value[size], f"{path}.{size}.")
        elif name in ("source", "feed", "webhook"):  # tables in an array: none by default
            assert value == ()
        else:
            yield path, value


def settings(text: str) -> Iterator[tuple[int, str, str]]:
    """The example's settings: line number (from 0), TOML path, the value as it is written."""
    table = ""
    for number, line in enumerate(text.splitlines()):
        if found := TABLE.fullmatch(line):
            table = found["path"]
        elif found := SETTING.fullmatch(line):
            yield number, f"{table}.{found['name']}", found["value"]


def written(value: Any) -> str:
    """A default as TOML; JSON's spelling is TOML's for all that the config holds but a filled table."""
    return "{}" if value == {} else orjson.dumps(value).decode()


def refreshed(text: str) -> str:
    """The example with today's defaults: a line whose value still holds stays as it is spelled."""
    lines, today = text.splitlines(), defaults()
    for number, path, value in settings(text):
        now = written(today[path]) if path in today else value
        if tomllib.loads(f"value = {value}") != tomllib.loads(f"value = {now}"):
            lines[number] = lines[number].replace(value, now)
    return "\n".join(lines) + "\n"


def comment_above(lines: list[str], number: int) -> str:
    start = number
    while lines[start - 1].startswith("#"):
        start -= 1
    return " ".join(line.lstrip("# ") for line in lines[start:number])


def loaded(tmp_path: Path, text: str = "", environ: Mapping[str, str] | None = None) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ or {})


def mistakes(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """The lines that report a config's mistakes, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text, environ)
    return [line.removeprefix(f"{tmp_path / 'config.toml'}: ") for line in str(caught.value).splitlines()]


def test_the_example_is_the_defaults() -> None:
    """Loading config.example.toml gives exactly what loading nothing gives."""
    assert load(EXAMPLE, {}) == load(None, {}) == Config.model_validate({})


def test_the_example_has_every_key_with_its_default() -> None:
    """Each key of the model stands in the example once, with today's default, and there is no other."""
    text = EXAMPLE.read_text(encoding="utf-8")
    shown = [(path, tomllib.loads(f"value = {value}")["value"]) for _, path, value in settings(text)]

    assert len(dict(shown)) == len(shown)
    assert dict(shown) == {path: orjson.loads(orjson.dumps(value)) for path, value in defaults().items()}


def test_the_example_is_up_to_date() -> None:
    """Refreshing the example would change nothing (`python tests/config/test_config.py` does it)."""
    text = EXAMPLE.read_text(encoding="utf-8")

    assert refreshed(text) == text


def test_refreshing_changes_values_only() -> None:
    """A default that changed is written in, and every other line of the example stays as it was."""
    text = EXAMPLE.read_text(encoding="utf-8")
    old = text.replace("port = 8080", "port = 80").replace('host = "127.0.0.1"', 'host = "::"')

    assert old != text
    assert refreshed(old) == text


def test_the_example_explains_every_key() -> None:
    """Above each key stands what it means; above each table, what the table is for."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    silent = [
        path
        for number, path, _ in settings("\n".join(lines))
        if not path.startswith(EXPLAINED_ELSEWHERE) and not comment_above(lines, number)
    ]
    tables = [
        found["path"]
        for number, line in enumerate(lines)
        if (found := TABLE.fullmatch(line)) and not comment_above(lines, number)
    ]

    assert silent == []
    assert [table for table in tables if not table.startswith(EXPLAINED_ELSEWHERE)] == []


UNITS = {
    "_seconds": "Seconds",
    "_bytes": "Bytes",
    "_px": "px",
    "width": "px",
    "height": "px",
    "pixels": "px",
    "port": "TCP port",
    "covers_per_second": "Covers per second",
    "requests_per_second": "Requests per second",
    "quality": "1 to 100",
}


def test_the_example_names_every_unit() -> None:
    """A number's unit, or its scale, stands in the comment above it."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for number, path, _ in settings("\n".join(lines)):
        units = [unit for ending, unit in UNITS.items() if path.endswith(ending)]
        if units and not path.startswith(EXPLAINED_ELSEWHERE):
            assert units[0] in comment_above(lines, number), path


def test_the_example_fits_the_page() -> None:
    """The example is a file for people: no line is longer than 110 characters, none ends in a space."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if len(line) > 110 or line != line.rstrip()] == []


COMMENTED = re.compile(r"#(?=[a-z\[])")


def uncommented() -> str:
    """The example with its examples of sources in force."""
    return "\n".join(COMMENTED.sub("", line) for line in EXAMPLE.read_text(encoding="utf-8").splitlines())


def test_the_examples_of_sources_show_every_key_with_its_default(tmp_path: Path) -> None:
    """Each kind of source stands in the example with all of its keys, and with their defaults."""
    config = loaded(tmp_path, uncommented())
    tables = {each.get("kind", "preset"): each for each in tomllib.loads(uncommented())["source"]}

    assert [source.name for source in config.source] == ["openlibrary", "publisher", "shelf", "bucket"]
    for source in config.source[1:]:
        fields = type(source).model_fields
        assert tables[source.kind].keys() == fields.keys()
        needed = {name: getattr(source, name) for name, field in fields.items() if field.is_required()}
        assert source == type(source).model_validate(needed)


def test_the_examples_of_sources_are_explained() -> None:
    """Above each key of a source stands what it means, once; with its unit, if it has one."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    explained: dict[str, str] = {}
    for number, line in enumerate(lines):
        if (bare := COMMENTED.sub("", line)) != line and (found := SETTING.fullmatch(bare)):
            above = lines[number - 1]
            if above.startswith("# "):
                explained.setdefault(found["name"], above)
            assert found["name"] in {*explained, "name", "kind", "preset"}, line
            for ending, unit in UNITS.items():
                if found["name"].endswith(ending):
                    start = explained[found["name"]]
                    assert unit in " ".join(lines[lines.index(start) - 1 : lines.index(start) + 1]), line


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_are_whole(preset: str) -> None:
    """A preset alone is a source, and whatever stands beside it wins."""
    (alone,) = load(None, {}, {"source": [{"preset": preset}]}).source
    (own,) = load(None, {}, {"source": [{"preset": preset, "name": "mine", "keep": 7}]}).source

    assert (alone.name, alone.kind) == (preset, "http")
    assert own == alone.model_copy(update={"name": "mine", "keep": 7})


HTTP = """[[source]]
name = "a"
kind = "http"
url = "https://covers.example.org/{isbn13}"
"""


@pytest.mark.parametrize(
    ("text", "path", "why"),
    [
        (HTTP + "frobnicate = 1\n", "source.0.frobnicate", "no such key"),
        (HTTP + HTTP, "source", "'a' is the name of several sources"),
        (HTTP.replace("https:", "ftp:"), "source.0.url", "expected one like https://"),
        (HTTP.replace("{isbn13}", "x"), "source.0.url", "does not name one book"),
        (HTTP.replace("{isbn13}", "{isbn}"), "source.0.url", "{isbn} is not a placeholder"),
        (HTTP.replace("covers.", "{isbn13}."), "source.0.url", "the host must be fixed"),
        (HTTP.replace("{isbn13}", "ü/{isbn13}"), "source.0.url", "not a URL"),
        (HTTP + 'headers = { "A B" = "x" }\n', "source.0.headers", "'A B' is not a header"),
        (HTTP + 'headers = { A = "x\\r\\nB: y" }\n', "source.0.headers", "'A' is not a header"),
        (HTTP + 'headers = { Cookie = "x" }\n', "source.0.headers", "'Cookie' cannot be set here"),
        (HTTP + 'allow = ["10.0.0.1/8"]\n', "source.0.allow", "not an address or network"),
        (HTTP + 'missing_hashes = ["x"]\n', "source.0.missing_hashes", "not an MD5 or SHA-256"),
        (HTTP + 'until = "soon"\n', "source.0.until", "is not a day; expected one like 2027-12-31"),
        (HTTP + "keep = 0\n", "source.0.keep", "greater than or equal to 1"),
        (HTTP.replace('"http"', '"ftp"'), "source.0", "'http', 'folder', 'objectstore'"),
        ('[[source]]\npreset = "amazon"\n', "source", "'amazon' is not a preset"),
        ('[[source]]\nkind = "folder"\nname = "f"\n', "source.0.dir", "field required"),
        ('[[source]]\nkind = "folder"\nname = "f"\ndir = "a"\npattern = "../{isbn13}"\n',
         "source.0.pattern", "not a relative path"),
        ('[[source]]\nkind = "objectstore"\nname = "o"\nurl = "http://a"\n', "source.0.url", "pattern"),
        ('[source]\nkind = "http"\n', "source", "tuple"),
        ('[asking]\ncontact = "a (b)"\n', "asking.contact", "without brackets"),
    ],
)  # fmt: skip
def test_mistakes_in_sources_are_told(tmp_path: Path, text: str, path: str, why: str) -> None:
    """A wrong key of a source is reported with the source's place in the file, from 0, and the key."""
    told = mistakes(tmp_path, text)

    assert any(line.startswith(f"{path}: ") and why in line for line in told), told


def test_unset_variables_are_told() -> None:
    """Each variable that a source names and the environment lacks is reported once, with its source."""
    url = "https://a/{isbn13}?{env:ONE}&{env:TWO}&{env:ONE}"
    source = {"name": "a", "kind": "http", "url": url, "headers": {"X": "{env:THREE}"}}
    config = load(None, {}, {"source": [source]})

    assert unset(config.source, {"TWO": "x"}) == [
        "source.0: the environment has no ONE", "source.0: the environment has no THREE",
    ]  # fmt: skip


def test_unset_variables_of_the_object_store_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check-config` names each option of the object store whose variable is not set."""
    text = '[store]\nobjects = "s3://covers/x"\n[store.objects_options]\nregion = "eu"\n'
    text += 'access_key_id = "{env:COVERS_ID}"\nsecret_access_key = "{env:COVERS_SECRET}"\n'
    file = tmp_path / "config.toml"
    file.write_text(text)
    monkeypatch.setenv("COVERS_ID", "x")
    monkeypatch.delenv("COVERS_SECRET", raising=False)
    said = CliRunner().invoke(main, ["check-config", "--config", str(file)])

    assert said.exit_code == 2
    told = f"{file}: store.objects_options.secret_access_key: the environment has no COVERS_SECRET"
    assert told in said.output
    assert "COVERS_ID" not in said.output
    monkeypatch.setenv("COVERS_SECRET", "y")
    assert CliRunner().invoke(main, ["check-config", "--config", str(file)]).exit_code == 0


def test_a_variable_changes_no_url() -> None:
    """A value of the environment is encoded where it goes into a URL, and as it is elsewhere."""
    assert resolved("https://a/{env:X}/{isbn13}", {"X": "a/../b?c=d#{e}"}, in_url=True) == (
        "https://a/a%2F..%2Fb%3Fc%3Dd%23%7Be%7D/{isbn13}"
    )
    assert resolved("Bearer {env:X}", {"X": "a/b"}) == "Bearer a/b"
    with pytest.raises(ConfigError, match="no X"):
        resolved("{env:X}", {})


def test_default_sizes() -> None:
    """Without a config there are four sizes, each larger than the one before, and all formats."""
    config = load(None, {})

    assert [(name, size.width, size.height) for name, size in config.sizes.items()] == [
        ("small", 100, 150), ("medium", 200, 300), ("large", 500, 750),
        ("xlarge", 1000, 1500),
    ]  # fmt: skip
    assert config.formats.enabled == set(Format)
    assert config.sizes["medium"].offers == ("avif",)


@pytest.mark.parametrize(
    "path", [path for path in defaults() if not isinstance(defaults()[path], dict)], ids=str
)
def test_every_value_is_checked(tmp_path: Path, path: str) -> None:
    """A value of the wrong type is refused for every key, told by its path."""
    table, _, name = path.rpartition(".")

    (told,) = mistakes(tmp_path, f"[{table}]\n{name} = 1979-05-27\n")

    assert told.startswith(f"{path}: ")
    assert "1979" in told or path == "admin.token"


@pytest.mark.parametrize("table", sorted({path.rpartition(".")[0] for path in defaults()}))
def test_unknown_keys_are_refused(tmp_path: Path, table: str) -> None:
    """A misspelt key is reported with its path, in every table: it is never ignored."""
    assert mistakes(tmp_path, f"[{table}]\nfrobnicate = 1\n") == [f"{table}.frobnicate: no such key"]


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    """A misspelt table is reported too."""
    assert mistakes(tmp_path, "[sever]\nport = 1\n") == ["sever: no such key; did you mean server?"]


def test_the_import_table_has_one_name(tmp_path: Path) -> None:
    """[import] is the table's name; what the code calls it is none."""
    assert loaded(tmp_path, '[import]\nmode = "link"\n').imports.mode == "link"
    assert mistakes(tmp_path, '[imports]\nmode = "link"\n') == ["imports: no such key; did you mean import?"]


MANY = """
[server]
port = 70000
host = 1
[quota]
time_zone = "Europe/Nowhere"
daily = 5
[sizes.medium]
width = "wide"
[sizes.medium.jpeg]
quality = 101
[import]
mode = "move"
"""


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Each mistake has a line of its own: its TOML path, what was expected, what was found."""
    told = {line.partition(": ")[0]: line.partition(": ")[2] for line in mistakes(tmp_path, MANY)}

    assert told.keys() == {
        "server.port", "server.host", "quota.time_zone", "quota.daily", "sizes.medium.width",
        "sizes.medium.jpeg.quality", "import.mode",
    }  # fmt: skip
    assert re.search("65535.*found 70000", told["server.port"])
    assert re.search("string.*found 1", told["server.host"])
    assert re.search("integer.*found 'wide'", told["sizes.medium.width"])
    assert re.search("100.*found 101", told["sizes.medium.jpeg.quality"])
    assert re.search("'copy', 'link' or 'reference'.*found 'move'", told["import.mode"])


def test_mistakes_name_the_file(tmp_path: Path) -> None:
    """Every line starts with the file that it is about."""
    file = tmp_path / "my.toml"
    file.write_text("[server]\nport = -1\nworkers = 0\n")

    with pytest.raises(ConfigError) as caught:
        load(file, {})

    assert all(line.startswith(f"{file}: server.") for line in str(caught.value).splitlines())


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "Mars", "", "Europe", "../../etc/passwd", "a\\u0000b"])
def test_bad_time_zones_are_told(tmp_path: Path, zone: str) -> None:
    """A zone that is unknown, a folder of zones, or no name at all is reported like any other mistake."""
    (told,) = mistakes(tmp_path, f'[quota]\ntime_zone = "{zone}"\n')

    assert told.startswith("quota.time_zone: ")
    assert "Europe/Berlin" in told


def test_good_time_zones_are_taken(tmp_path: Path) -> None:
    """Any zone of the IANA database will do."""
    assert loaded(tmp_path, '[quota]\ntime_zone = "Asia/Kolkata"').quota.time_zone == "Asia/Kolkata"


@pytest.mark.parametrize("value", ["x", "00", "g" * 32, "a" * 40])
def test_bad_hashes_are_told(tmp_path: Path, value: str) -> None:
    """A refused hash that is neither MD5 nor SHA-256 is reported: it would never match anything."""
    (told,) = mistakes(tmp_path, f'[import]\nrefused_hashes = ["{"0" * 32}", "{value}"]\n')

    assert told.startswith("import.refused_hashes: ")
    assert repr(value) in told


def test_good_hashes_are_brought_to_one_case(tmp_path: Path) -> None:
    """MD5 and SHA-256 are taken in either case."""
    config = loaded(tmp_path, f'[import]\nrefused_hashes = ["{"A" * 32}", "{"b" * 64}"]\n')

    assert config.imports.refused_hashes == ("a" * 32, "b" * 64)


@pytest.mark.parametrize("name", sorted(RESERVED_SIZES))
def test_reserved_size_names_are_refused(tmp_path: Path, name: str) -> None:
    """A size may not be called what another address of a key is called."""
    (told,) = mistakes(tmp_path, f"[sizes.{name}]\nwidth = 100\nheight = 100\n")

    assert told.startswith("sizes")
    assert repr(name) in told


@pytest.mark.parametrize("name", ["Small", "1st", '"a b"', '"../x"', '""', '"a.b"', '"ä"', "a" * 33])
def test_size_names_are_words_of_a_path(tmp_path: Path, name: str) -> None:
    """A size's name is a word of the URL and of the disk: nothing else is taken."""
    told = mistakes(tmp_path, f"[sizes.{name}]\nwidth = 100\nheight = 100\n")

    assert told
    assert told[0].startswith("sizes.")


def test_a_size_is_added_beside_the_default_ones(tmp_path: Path) -> None:
    """A new size needs only its box; the default ones stay."""
    config = loaded(tmp_path, "[sizes.thumb]\nwidth = 40\nheight = 60\n")

    nearest = load(None, {}).sizes["small"].model_dump()
    thumb = Size.model_validate(nearest | {"width": 40, "height": 60})
    assert config.sizes == {**load(None, {}).sizes, "thumb": thumb}


def test_a_new_size_needs_its_box(tmp_path: Path) -> None:
    """A size without a height is reported with the key that it lacks."""
    assert mistakes(tmp_path, "[sizes.thumb]\nwidth = 40\n") == ["sizes.thumb.height: field required"]


def test_a_default_size_is_partly_changed(tmp_path: Path) -> None:
    """Of a default size only the keys that are written change, down to a format's."""
    default = load(None, {}).sizes["small"]
    config = loaded(tmp_path, "[sizes.small]\nwidth = 120\n[sizes.small.jpeg]\ntrellis = false\n")

    assert config.sizes["small"] == default.model_copy(
        update={"width": 120, "jpeg": default.jpeg.model_copy(update={"trellis": False})}
    )
    assert [*config.sizes] == ["small", "medium", "large", "xlarge"]


def test_xlarge_is_a_rung_unless_it_is_the_operators_own() -> None:
    """By default it is encoded as the rung of its width; with both sides of its own as before it came: as the
    nearest of the three. The same setting of one key alone leaves the rest."""
    sizes = load(None, {}).sizes
    own = load(None, {}, {"sizes": {"xlarge": {"width": 900, "height": 1350}}}).sizes["xlarge"]
    partly = load(None, {}, {"sizes": {"xlarge": {"jpeg": {"quality": 90}}}}).sizes["xlarge"]

    assert sizes["xlarge"] == rung(1000).model_copy(update={"prewarm": False})
    assert (own.jpeg, own.webp, own.avif) == (sizes["large"].jpeg, sizes["large"].webp, sizes["large"].avif)
    assert (own.width, own.height, own.prewarm) == (900, 1350, True)
    assert (partly.width, partly.jpeg) == (1000, sizes["xlarge"].jpeg.model_copy(update={"quality": 90}))


def test_a_full_size_needs_no_box(tmp_path: Path) -> None:
    """One size may have all pixels of the original, up to 4000 a side; nobody makes or shows it unasked."""
    config = loaded(tmp_path, '[sizes.original]\nfit = "full"\n')
    size = config.sizes["original"]

    assert (size.width, size.height, size.offers, size.prewarm) == (4000, 4000, (), False)
    assert size.jpeg == config.sizes["xlarge"].jpeg
    assert "original" not in {*config.usual_sizes, *config.size_table.wishes, *config.named_size_table.wishes}
    assert mistakes(tmp_path, '[sizes.a]\nfit = "full"\n[sizes.b]\nfit = "full"\n') == [
        "sizes: a, b have fit = 'full'; expected at most 1"
    ]


def test_an_original_of_a_box_stays_that(tmp_path: Path) -> None:
    """A size that an operator once called original is a box like any other."""
    config = loaded(tmp_path, "[sizes.original]\nwidth = 700\nheight = 1050\n")

    as_large = {"width": 700, "height": 1050, "offers": ("avif",)}
    assert config.sizes["original"] == config.sizes["large"].model_copy(update=as_large)


FROM_ENVIRONMENT = [
    ("COVERPROXY_SERVER__PORT", "9000", "server.port", 9000),
    ("COVERPROXY_SERVER__STOP_SECONDS", "2.5", "server.stop_seconds", 2.5),
    ("COVERPROXY_SERVER__STOP_SECONDS", "3", "server.stop_seconds", 3.0),
    ("COVERPROXY_SERVER__HOST", "0.0.0.0", "server.host", "0.0.0.0"),  # noqa: S104
    ("COVERPROXY_SERVER__HOST", "::", "server.host", "::"),
    ("COVERPROXY_LOG__ACCESS", "true", "log.access", True),
    ("COVERPROXY_LOG__LEVEL", "debug", "log.level", "debug"),
    ("COVERPROXY_LOG__LEVEL", '"debug"', "log.level", "debug"),
    ("COVERPROXY_DATA__DIR", "/var/lib/cover proxy", "data.dir", "/var/lib/cover proxy"),
    ("COVERPROXY_FORMATS__AVIF", "true", "formats.avif", True),
    ("COVERPROXY_IMPORT__MODE", "link", "import.mode", "link"),
    ("COVERPROXY_IMPORT__SOURCE_PRIORITY", "{ a = 1 }", "import.source_priority", {"a": 1}),
    (
        "COVERPROXY_STORE__OBJECTS_OPTIONS",
        '{"region": "x", "a": "b:c"}',
        "store.objects_options",
        {"region": "x", "a": "b:c"},
    ),
    ("COVERPROXY_QUOTA__TIME_ZONE", "Europe/Berlin", "quota.time_zone", "Europe/Berlin"),
    ("COVERPROXY_SIZES__SMALL__JPEG__QUALITY", "70", "sizes.small.jpeg.quality", 70),
    ("COVERPROXY_SIZES__MEDIUM__WIDTH", "222", "sizes.medium.width", 222),
]


@pytest.mark.parametrize(("name", "raw", "path", "value"), FROM_ENVIRONMENT, ids=str)
def test_the_environment_sets_one_key(name: str, raw: str, path: str, value: Any) -> None:
    """COVERPROXY_SECTION__KEY sets that key and no other, read as TOML where it is TOML, else as text."""
    config = dict(walked(load(None, {name: raw}), ""))

    assert config == defaults() | {path: value}


@pytest.mark.parametrize(
    ("height", "name"),
    [(60, "small"), (210, "small"), (215, "medium"), (470, "medium"), (480, "large"), (1500, "large")],
)
def test_a_size_of_ones_own_is_encoded_as_the_nearest(height: int, name: str) -> None:
    """A new box takes the encoders' settings of the default size nearest in height; its own win."""
    given = {"width": 400, "height": height, "jpeg": {"trellis": True}}
    sizes = load(None, {}, {"sizes": {"mine": given}}).sizes

    assert sizes["mine"].webp == sizes[name].webp
    assert sizes["mine"].jpeg == sizes[name].jpeg.model_copy(update={"trellis": True})


def test_the_environment_adds_a_size() -> None:
    """A size can come from the environment alone."""
    config = load(None, {"COVERPROXY_SIZES__THUMB__WIDTH": "40", "COVERPROXY_SIZES__THUMB__HEIGHT": "60"})

    small = config.sizes["small"].model_dump()
    assert config.sizes["thumb"] == Size.model_validate(small | {"width": 40, "height": 60})


def test_the_environment_wins_over_the_file_and_overrides_over_both(tmp_path: Path) -> None:
    """What is given on the command line beats the environment, which beats the file, which beats defaults."""
    file = tmp_path / "config.toml"
    file.write_text("[server]\nport = 1\nworkers = 2\nstop_seconds = 3.0\n")
    environ = {"COVERPROXY_SERVER__PORT": "10", "COVERPROXY_SERVER__WORKERS": "20"}

    server = load(file, environ, {"server": {"port": 100}}).server

    assert (server.port, server.workers, server.stop_seconds) == (100, 20, 3.0)


def test_other_variables_are_left_alone() -> None:
    """Variables without the prefix, or without a section, do not count as configuration."""
    environ = {"PATH": "/bin", "COVERPROXY_HOME": "/x", "SERVER__PORT": "1", "COVERPROXY_": ""}

    assert load(None, environ) == load(None, {})


def test_mistakes_in_the_environment_are_told(tmp_path: Path) -> None:
    """A wrong or unknown variable is reported by its own name, beside the file's mistakes."""
    environ = {"COVERPROXY_SERVER__PORT": "http", "COVERPROXY_CACHE__FSNYC": "true"}
    told = mistakes(tmp_path, "[quota]\ndaily_limit = -1\n", environ)

    assert sorted(line.partition(": ")[0] for line in told) == [
        "environment",
        "environment",
        "quota.daily_limit",
    ]
    assert "environment: COVERPROXY_CACHE__FSNYC: no such key; did you mean COVERPROXY_CACHE__FSYNC?" in told
    assert any(
        re.fullmatch("environment: COVERPROXY_SERVER__PORT: .*integer.*found 'http'", each) for each in told
    )


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"COVERPROXY_FOO__BAR": "1"}, "environment: COVERPROXY_FOO__BAR: no such key"),
        ({"COVERPROXY_SERVER__PROT": "1"},
         "environment: COVERPROXY_SERVER__PROT: no such key; did you mean COVERPROXY_SERVER__PORT?"),
        ({"COVERPROXY_FRONT__TRUSTED": "10.0.0.0/8,127.0.0.1"},
         "environment: COVERPROXY_FRONT__TRUSTED: "
         '''expected a list like ["a", "b"], found '10.0.0.0/8,127.0.0.1\''''),
        ({"COVERPROXY_SIZES__SMALL__JPEG__QUALITY": "101"},
         "environment: COVERPROXY_SIZES__SMALL__JPEG__QUALITY: "
         "input should be less than or equal to 100, found 101"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_environment_names_its_variable(
    tmp_path: Path, environ: dict[str, str], says: str
) -> None:
    """Beside a file without mistakes, the file is not what the line names."""
    assert mistakes(tmp_path, "[server]\nport = 1\n", environ) == [says]


def test_a_near_miss_is_asked_about(tmp_path: Path) -> None:
    """A key of nearly a known spelling: the known one is named, in every kind of table."""
    told = mistakes(tmp_path, "[server]\nprot = 1\n[sizes.small]\nheigth = 1\n[imports]\nmode = 'copy'\n")
    assert sorted(told) == [
        "imports: no such key; did you mean import?", "server.prot: no such key; did you mean port?",
        "sizes.small.heigth: no such key; did you mean height?",
    ]  # fmt: skip


def test_windows_editors_may_have_written_it(tmp_path: Path) -> None:
    """A BOM before the first table is passed over."""
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 18900\r\n")
    assert load(tmp_path / "config.toml", {}).server.port == 18900


def test_a_tilde_is_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths that begin with ~ are expanded; a user that is not there is a mistake."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert loaded(tmp_path, '[data]\ndir = "~/x"\n').data.dir == f"{tmp_path}/x"
    (told,) = mistakes(tmp_path, '[data]\ndir = "~nobody-here/x"\n')
    assert told.startswith("data.dir: the home of that user is not known")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("20GB", 20_000_000_000),
        ("20 GB", 20_000_000_000),
        ("512MiB", 536_870_912),
        ("1.5kB", 1500),
        ("7B", 7),
    ],
)
def test_bytes_may_have_a_unit(tmp_path: Path, text: str, count: int) -> None:
    """Sizes are read as people write them, from the file and from the environment."""
    assert loaded(tmp_path, f'[cache]\nmax_bytes = "{text}"\n').cache.max_bytes == count
    assert load(None, {"COVERPROXY_CACHE__MAX_BYTES": text}).cache.max_bytes == count


@pytest.mark.parametrize("text", ["20", "GB", "20 gigabytes", "-1GB", "0B", "2e3GB"])
def test_other_sizes_are_refused(tmp_path: Path, text: str) -> None:
    """A value that is not a size, or not one that fits, is one mistake with its path."""
    (told,) = mistakes(tmp_path, f'[cache]\nmax_bytes = "{text}"\n')
    assert told.startswith("cache.max_bytes: ")


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0:8080", "localhost:80", "[::1]:80", "[::1]", "http://localhost", "\\u0000", "x\\n", " ::1"],
)
@pytest.mark.parametrize("table", ["server", "ops"])
def test_a_host_has_no_port(tmp_path: Path, table: str, host: str) -> None:
    """What is not an address alone is refused here, not when the service starts."""
    (told,) = mistakes(tmp_path, f'[{table}]\nhost = "{host}"\n')
    assert told.startswith(f"{table}.host: ")
    assert "the port has its own key" in told


@pytest.mark.parametrize("host", ["192.0.2.1", "::", "::1", "fe80::1%eth0", "localhost", "x.example"])
def test_addresses_of_every_family_are_taken(tmp_path: Path, host: str) -> None:
    """IPv4, IPv6 and names."""
    assert loaded(tmp_path, f'[server]\nhost = "{host}"\n').server.host == host


@pytest.mark.parametrize(
    ("hosts", "count"), [(("::1", "::1"), 1), (("::", "127.0.0.1"), 1), (("::1", "127.0.0.1"), 0)]
)
def test_one_port_is_not_for_both_servers(tmp_path: Path, hosts: tuple[str, str], count: int) -> None:
    """Both servers on one port of one address is a mistake of the config; port 0 is any free one."""
    text = '[server]\nhost = "{}"\nport = {port}\n[ops]\nhost = "{}"\nport = {port}\n'
    if count:
        (told,) = mistakes(tmp_path, text.format(*hosts, port=8080))
        assert told.startswith("ops: port 8080 is also server.port")
    else:
        assert loaded(tmp_path, text.format(*hosts, port=8080)).ops.port == 8080
    assert loaded(tmp_path, text.format(*hosts, port=0)).ops.port == 0


@pytest.mark.parametrize(
    "text",
    [
        '[admin]\ntoken = "hunter2secret"\n',
        '[[source]]\nname = "a"\nkind = "http"\nurl = "https://x.example/{isbn13}"\n'
        'headers = "Bearer hunter2secret"\n',
        '[admin]\ntoken = ["hunter2secret"]\n',
        'admin = "hunter2secret"\n',
        '[[source]]\nname = "a"\nkind = "http"\nurl = "https://me:hunter2secret@x.example/{isbn14}"\n',
        '[[source]]\nname = "a"\nkind = "http"\nurl = "https://x.example/{isbn14}?key=hunter2secret"\n',
        '[[source]]\nname = "a"\nkind = "objectstore"\nurl = "s3://a"\noptions = "hunter2secret"\n',
    ],
)
def test_a_refused_secret_is_not_shown(tmp_path: Path, text: str) -> None:
    """Mistakes end up in terminals and journals: what was found there is not part of the line."""
    told = mistakes(tmp_path, text)
    assert told
    assert "hunter2" not in " ".join(told)


SOURCE = '[[source]]\nname = "a"\nkind = "http"\n'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f'{SOURCE}url = "https://x.example/{{isbn13}}"\npreset = [1]\n', "source"),
        (f'{SOURCE}url = "https://x.example/{{isbn13}}"\npreset = {{}}\n', "source"),
        (f'{SOURCE}url = "https://x.example:99999999/{{isbn13}}"\n', "source.0.url"),
        (f'[site]\ntexts = "{"x" * 5000}"\n', "site.texts"),
        (f'[site]\nplaceholder = "{"x" * 5000}"\n', "site.placeholder"),
        (f'[site]\nplaceholder = "{"x/" * 2500}"\n', "site.placeholder"),
        (f'[data]\ndir = "{"x" * 256}"\n', "data.dir"),
        ('[data]\ndir = "a\\u0000b"\n', "data.dir"),
        ("[server]\nstop_seconds = inf\n", "server.stop_seconds"),
        ("[render]\ntime_limit_seconds = nan\n", "render.time_limit_seconds"),
        ('[front]\nlisten_tls = ["a\\u0000"]\n', "front.listen_tls"),
        ('[front]\nlisten_tls = ["127.0.0.1"]\n', "front.listen_tls"),
        ('[front]\nlisten = ["::1"]\n', "front.listen"),
        (f"a = {'[' * 5000}{']' * 5000}\n", "is not TOML"),
        (f"[server]\nport = {'9' * 5000}\n", "is not TOML"),
    ],
)
def test_no_value_ends_the_program(tmp_path: Path, text: str, place: str) -> None:
    """A value of absurd type, length or depth is a mistake with its place, like any other."""
    told = mistakes(tmp_path, text)
    assert any(line.startswith(f"{place}:") for line in told), told
    assert max(map(len, told)) < 600


@pytest.mark.parametrize("text", [f"a = {'[' * 5000}{']' * 5000}", f"a = {'9' * 5000}", "[a", "\xff"])
def test_no_text_file_ends_the_program(tmp_path: Path, text: str) -> None:
    """The same of the file that site.texts names."""
    own = tmp_path / "own.toml"
    own.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"site\.texts"):
        load(None, {"COVERPROXY_SITE__TEXTS": str(own)}, None, texts.load)


def test_a_huge_number_in_a_variable_is_a_mistake() -> None:
    """The environment is read as the file is: nothing in it ends the program."""
    with pytest.raises(ConfigError, match="COVERPROXY_SERVER__PORT"):
        load(None, {"COVERPROXY_SERVER__PORT": "9" * 5000})


def test_what_is_in_force_is_shown_without_secrets() -> None:
    """A secret written into the file is hidden wherever it stands; a variable's name is not one."""
    shown = without_secrets(
        {
            "admin": {"token": "hunter2", "header": "X-User"},
            "source": [
                {
                    "url": "https://me:hunter2@x.example/?default=404",
                    "headers": {"A": "hunter2", "B": "{env:B}"},
                },
                {"options": {"aws_secret_access_key": "hunter2"}, "key": "{isbn13}.jpg"},
            ],
        }
    )
    assert "hunter2" not in str(shown)
    assert shown["admin"]["header"] == "X-User"
    assert shown["source"][0]["url"].endswith("x.example/?default=404")
    assert shown["source"][0]["headers"]["B"] == "{env:B}"
    assert shown["source"][1]["key"] == "{isbn13}.jpg"


def test_mistakes_of_texts_come_with_the_others(tmp_path: Path) -> None:
    """A language without texts is reported with the other mistakes, each with the file's name."""
    file = tmp_path / "config.toml"
    file.write_text('[server]\nport = -1\n[site]\nlanguage = "xx"\nplaceholder = "/nowhere.png"\n')
    with pytest.raises(ConfigError) as caught:
        load(file, {}, None, texts.load)
    told = str(caught.value).splitlines()
    assert {line.removeprefix(f"{file}: ").partition(":")[0] for line in told} == {
        "server.port", "site.language", "site.placeholder",
    }  # fmt: skip
    assert all(line.startswith(f"{file}: ") for line in told)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000 + "]" * 5000, '[site]\ntexts = "' + "x" * 5000 + '"\n'])
def test_absurd_values_are_mistakes_too(tmp_path: Path, text: str) -> None:
    """Deep nesting and endless paths are reported in a line; nothing crashes."""
    (told,) = mistakes(tmp_path, text)
    assert len(told) < 500


@pytest.mark.parametrize(
    "text", ["port = ", "[server", "[a]\n[a]\n", "port: 8080"], ids=["no value", "open", "twice", "YAML"]
)
def test_what_is_not_toml_is_told(tmp_path: Path, text: str) -> None:
    """A file that is not TOML is reported as such, with the place."""
    (told,) = mistakes(tmp_path, text)

    assert told.startswith("is not TOML: ")
    assert "line" in told or "end of document" in told


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """A file that is not UTF-8 is reported; nothing crashes."""
    file = tmp_path / "config.toml"
    file.write_bytes(b"[server]\nhost = '\xff'\n")

    with pytest.raises(ConfigError, match="is not TOML"):
        load(file, {})


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    """A file that is missing, or is a folder, is reported with the reason, never taken for an empty one."""
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml", {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


@pytest.mark.parametrize("section", ["server", "sizes", "import"])
def test_a_value_in_place_of_a_table_is_told(tmp_path: Path, section: str) -> None:
    """A plain value where a table belongs is a mistake like any other."""
    (told,) = mistakes(tmp_path, f"{section} = 3\n")

    assert told.startswith(f"{section}: ")


def test_a_config_does_not_change() -> None:
    """A config is a frozen value, down to the sizes."""
    config = load(None, {})
    for section in (config, config.server, config.sizes["small"].jpeg):
        with pytest.raises(ValueError, match="frozen"):
            setattr(section, next(iter(type(section).model_fields)), None)


def other(value: Any) -> Any:
    """Another value that the same key takes."""
    if isinstance(value, bool):
        return not value
    if value == "fit":
        return "pad"
    if isinstance(value, str):
        return "4:2:0" if value == "4:4:4" else "4:4:4"
    return value + 1


SIZE = Size(width=300, height=400)

UNSEEN = ("offers", "prewarm")
"""Settings of a size that no derivative shows."""


@pytest.mark.parametrize("path", [path for path, _ in walked(SIZE, "") if path not in UNSEEN])
def test_every_setting_of_a_size_changes_its_revision(path: str) -> None:
    """Whatever is changed of a size, the derivatives that it changes get another folder, and no others."""
    tree = SIZE.model_dump()
    branch = tree
    *above, name = path.split(".")
    for part in above:
        branch = branch[part]
    branch[name] = other(branch[name])

    changed = Size.model_validate(tree)
    moved = {form for form in Format if changed.revision(form, 1) != SIZE.revision(form, 1)}
    assert moved == ({Format[above[0].upper()]} if above else set(Format))


def test_a_revision_is_a_short_name() -> None:
    """A revision is ten hex digits, the same for the same settings, another for another renderer."""
    for form in Format:
        assert re.fullmatch("[0-9a-f]{10}", SIZE.revision(form, 1))
        assert SIZE.revision(form, 1) == Size(width=300, height=400).revision(form, 1)
        assert SIZE.revision(form, 1) != SIZE.revision(form, 2)
    assert len({SIZE.revision(form, 1) for form in Format}) == len(Format)


EARLIER: dict[str, dict[str, Any]] = {
    "small": {"decode_scale": 2.0, "jpeg": {"quality": 90}, "avif": {"quality": 87, "effort": 1}},
    "medium": {"jpeg": {"quality": 68}, "avif": {"quality": 68, "effort": 1}},
    "large": {
        "jpeg": {"quality": 82, "optimize": False}, "avif": {"quality": 66, "effort": 1},
        "webp": {"quality": 86, "effort": 2, "smart_subsample": False},
    },
}  # fmt: skip
"""The settings that earlier versions had by default, where they were others."""


def test_revisions_stay_what_they_are() -> None:
    """The names of derivatives on disk are for good: a change here would have every cover made again."""
    size = Size(width=300, height=400, jpeg=Jpeg(quality=68), avif=Avif(quality=68, effort=1))
    assert {form.value: size.revision(form, 2) for form in Format} == {
        "jpg": "d5af228b1e", "webp": "a0c25cb6ac", "avif": "65a65ad8e4",
    }  # fmt: skip
    sizes = {name: Size(**merged(default_sizes()[name], earlier)) for name, earlier in EARLIER.items()}
    assert {name: each.former_revisions([2])[0] for name, each in sizes.items()} == {
        "small": "1d0fcf2543", "medium": "d3007378b9", "large": "e02ae045a1",
    }  # fmt: skip


if __name__ == "__main__":
    EXAMPLE.write_text(refreshed(EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")

"""The public-domain classics of the demonstration, with ISBNs of real editions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """Four matching colours; `ink` is legible on `paper`."""

    paper: str
    ink: str
    accent: str
    second: str

    @property
    def deep(self) -> str:
        """The darker of paper and ink."""
        return min(self.paper, self.ink, key=_brightness)

    @property
    def pale(self) -> str:
        """The lighter of paper and ink."""
        return max(self.paper, self.ink, key=_brightness)

    @property
    def on_accent(self) -> str:
        """The more legible on the accent: paper or ink."""
        middle = _brightness(self.accent)
        return max(self.paper, self.ink, key=lambda colour: abs(_brightness(colour) - middle))


@dataclass(frozen=True)
class CoverStyle:
    """How one edition is drawn: the layout's name, its colours, its size in px."""

    layout: str
    palette: Palette
    width: int = 1000
    height: int = 1500


@dataclass(frozen=True)
class Classic:
    """A title and its editions: `looks` correspond to `isbns`."""

    title: str
    author: str
    year: int
    isbns: tuple[str, ...]
    looks: tuple[CoverStyle, ...]


def _brightness(colour: str) -> int:
    """Return the brightness of an `#rrggbb` colour."""
    return sum(weight * int(colour[k : k + 2], 16) for k, weight in ((1, 3), (3, 6), (5, 1)))


def mix(one: str, other: str, share: float) -> str:
    """Return the colour between two `#rrggbb` ones: `share` of the other."""
    pairs = ((int(one[k : k + 2], 16), int(other[k : k + 2], 16)) for k in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


ROSE = Palette("#f4e6dc", "#47182a", "#b8415a", "#e2b6a4")
PLUM = Palette("#3b1c38", "#f8e9dc", "#e08e79", "#6b3558")
EMBER = Palette("#7a1f1d", "#fbeeda", "#f2a541", "#a8322a")
CHARCOAL = Palette("#23262b", "#f3efe6", "#e4572e", "#4a4f57")
MOOR = Palette("#233236", "#f2efe2", "#d8c99b", "#56776c")
HEATHER = Palette("#ece7f0", "#35294f", "#7e5a9b", "#c3b3d6")
OCEAN = Palette("#0c2f4a", "#f6f1e4", "#f0b94d", "#2f80a7")
FOAM = Palette("#e9f1ee", "#0e3b4c", "#d9603b", "#6fb0b3")
STORM = Palette("#191d2b", "#eef4dd", "#c3e26b", "#3d4b63")
BONE = Palette("#efe9da", "#232a2e", "#5d8a66", "#b9c4a4")
BLOOD = Palette("#170d12", "#f7eadf", "#c8202f", "#521019")
CRIMSON = Palette("#b3202c", "#fff3e3", "#1d0f14", "#8a1620")
IRON = Palette("#dcd8cc", "#1f2326", "#b0392e", "#8f958f")
MUSTARD = Palette("#e8b93f", "#2a2320", "#b5432a", "#f2d587")
AZURE = Palette("#14406b", "#fdf3dc", "#f4c95d", "#4f8fc0")
DUSK = Palette("#2b2147", "#fdeee0", "#f08a5d", "#b83b5e")
MIST = Palette("#e6e4dd", "#2d3a45", "#5b7f95", "#b4c0c2")
FOREST = Palette("#1d3b2f", "#f3f0df", "#dba94a", "#4d7f5d")
PEACOCK = Palette("#0f4c4a", "#f8f0dd", "#e3b04b", "#2a8078")
SNOW = Palette("#f3f1ec", "#26324f", "#b23a48", "#a9bcd0")
SAND = Palette("#f7e3b8", "#123f4d", "#e0662f", "#4fb0a5")
PINK = Palette("#f6d6d2", "#3c2150", "#d1437a", "#f0b3b8")
LEAF = Palette("#eef0dc", "#24402d", "#6a9a46", "#b5cd8f")
TRICOLOUR = Palette("#f5efe3", "#1f2f57", "#c2313a", "#8fa3c9")
SCARLET = Palette("#201a1c", "#f6ece0", "#d7263d", "#4b3b3b")
TERRACOTTA = Palette("#c4552d", "#fff2df", "#2c2a3a", "#dd7f4c")


CLASSICS: tuple[Classic, ...] = (
    Classic(
        "Pride and Prejudice",
        "Jane Austen",
        1813,
        ("9780141439518", "9780199535569"),
        (CoverStyle("frame", ROSE), CoverStyle("fans", PEACOCK, 940)),
    ),
    Classic(
        "Jane Eyre",
        "Charlotte Brontë",
        1847,
        ("9780141441146", "9780199535590"),
        (CoverStyle("arches", EMBER), CoverStyle("initial", MIST, 940)),
    ),
    Classic("Wuthering Heights", "Emily Brontë", 1847, ("9780141439556",), (CoverStyle("hills", MOOR),)),
    Classic(
        "Moby-Dick",
        "Herman Melville",
        1851,
        ("9780142437247", "9780553213119"),
        (CoverStyle("waves", OCEAN), CoverStyle("diagonal", FOAM, 940)),
    ),
    Classic(
        "Frankenstein",
        "Mary Shelley",
        1818,
        ("9780141439471", "9780486282114"),
        (CoverStyle("sunburst", STORM), CoverStyle("dots", BONE, 1000, 1600)),
    ),
    Classic(
        "Dracula",
        "Bram Stoker",
        1897,
        ("9780141439846", "9780486411095"),
        (CoverStyle("rings", BLOOD), CoverStyle("diagonal", CRIMSON, 1000, 1600)),
    ),
    Classic(
        "Crime and Punishment",
        "Fyodor Dostoevsky",
        1866,
        ("9780140449136", "9780486415871"),
        (CoverStyle("blocks", IRON), CoverStyle("arches", CHARCOAL, 940)),
    ),
    Classic(
        "The Count of Monte Cristo",
        "Alexandre Dumas",
        1844,
        ("9780140449266",),
        (CoverStyle("horizon", AZURE, 1000, 1600),),
    ),
    Classic("Great Expectations", "Charles Dickens", 1861, ("9780141439563",), (CoverStyle("hills", DUSK),)),
    Classic(
        "A Tale of Two Cities",
        "Charles Dickens",
        1859,
        ("9780141439600",),
        (CoverStyle("blocks", TRICOLOUR),),
    ),
    Classic("Middlemarch", "George Eliot", 1871, ("9780141439549",), (CoverStyle("fans", HEATHER, 940),)),
    Classic("Emma", "Jane Austen", 1815, ("9780141439587",), (CoverStyle("initial", PINK),)),
    Classic(
        "The Picture of Dorian Gray",
        "Oscar Wilde",
        1890,
        ("9780141439570",),
        (CoverStyle("frame", FOREST),),
    ),
    Classic(
        "Anna Karenina",
        "Leo Tolstoy",
        1878,
        ("9780143035008",),
        (CoverStyle("horizon", PLUM),),
    ),
    Classic(
        "Treasure Island", "Robert Louis Stevenson", 1883, ("9780486275598",), (CoverStyle("waves", SAND),)
    ),
    Classic(
        "Alice's Adventures in Wonderland",
        "Lewis Carroll",
        1865,
        ("9780486275437",),
        (CoverStyle("dots", DUSK, 940),),
    ),
    Classic("Walden", "Henry David Thoreau", 1854, ("9780486284958",), (CoverStyle("rings", LEAF),)),
    Classic("Les Misérables", "Victor Hugo", 1862, ("9780140444308",), (CoverStyle("diagonal", SNOW),)),
    Classic(
        "Don Quixote",
        "Miguel de Cervantes",
        1605,
        ("9780060934347", "9780142437230"),
        (CoverStyle("sunburst", TERRACOTTA, 1000, 1600), CoverStyle("dots", MUSTARD)),
    ),
    Classic(
        "The Scarlet Letter",
        "Nathaniel Hawthorne",
        1850,
        ("9780142437261",),
        (CoverStyle("arches", SCARLET),),
    ),
    Classic(
        "Around the World in Eighty Days",
        "Jules Verne",
        1872,
        ("9780140449068",),
        (CoverStyle("rings", AZURE, 940),),
    ),
)

# A real edition without a cover, on purpose, to show a miss.
MISSING = Classic("Gulliver's Travels", "Jonathan Swift", 1726, ("9780141439495",), ())

# A folder that people filled over the years is never uniform: these file names break the rule.
FILE_NAMES = {
    "9780141439518": "978-0-14-143951-8.jpg",
    "9780140449136": "0140449132.jpg",
    "9780141441146": "9780141441146.png",
    "9780142437230": "9780142437230.png",
    "9780141439471": "9780141439471.webp",
}

"""Which format an Accept header gets, and who gets problems as JSON."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from coverproxy.domain.formats import Format
from coverproxy.web import accept as accepting
from coverproxy.web.accept import MAX_ACCEPT, accepted, choices, prefers_json, wants_json

ALL = frozenset(Format)
WITH_WEBP = frozenset({Format.JPEG, Format.WEBP})
WITH_AVIF = frozenset({Format.JPEG, Format.AVIF})
ONLY_JPEG = frozenset({Format.JPEG})
JPEG, WEBP, AVIF = Format.JPEG, Format.WEBP, Format.AVIF

BROWSERS = {
    "Chrome": (
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        AVIF, WEBP,
    ),
    "Firefox": (
        "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        AVIF, WEBP,
    ),
    "Firefox 92": ("image/avif,image/webp,*/*", AVIF, WEBP),
    "Firefox 65": ("image/webp,*/*", WEBP, WEBP),
    "Safari": (
        "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,"
        "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        AVIF, WEBP,
    ),
    "Safari 13": (
        "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
        JPEG, JPEG,
    ),
    "Chrome, the address opened in a tab": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
        "application/signed-exchange;v=b3;q=0.7",
        AVIF, WEBP,
    ),
    "Internet Explorer": ("image/png, image/svg+xml, image/jxr, image/*;q=0.8, */*;q=0.5", JPEG, JPEG),
    "curl": ("*/*", JPEG, JPEG),
    "LWP, which sends none": ("", JPEG, JPEG),
    "Java": ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JPEG, JPEG),
}  # fmt: skip


def best_of(accept: str, formats: frozenset[Format]) -> Format:
    """What a client gets where covers exist in each of these formats."""
    return choices(accept, formats, formats)[0]


@pytest.mark.parametrize(("accept", "best", "without_avif"), BROWSERS.values(), ids=BROWSERS.keys())
def test_real_clients(accept: str, best: Format, without_avif: Format) -> None:
    """Real clients get the smallest format that they name and that is on; all others get JPEG."""
    assert best_of(accept, ALL) is best
    assert best_of(accept, WITH_WEBP) is without_avif
    assert best_of(accept, ONLY_JPEG) is JPEG


RULES = {
    "a wildcard names nothing": ("image/*", JPEG),
    "every type names nothing": ("*/*", JPEG),
    "webp alone": ("image/webp", WEBP),
    "avif alone": ("image/avif", AVIF),
    "equal: the smaller": ("image/jpeg, image/webp, image/avif", AVIF),
    "equal, other order": ("image/avif;q=0.5, image/webp;q=0.5, image/jpeg;q=0.5", AVIF),
    "webp as liked as the wildcard": ("image/webp;q=0.8, image/*;q=0.8", WEBP),
    "webp less liked than the wildcard": ("image/webp;q=0.7, image/*;q=0.8", JPEG),
    "webp less liked than jpeg": ("image/webp;q=0.1, image/jpeg", JPEG),
    "jpeg's own q, not the wildcard's": ("image/webp;q=0.5, image/jpeg;q=0.2, */*", WEBP),
    "image/*, not */*": ("image/webp;q=0.5, image/*;q=0.2, */*", WEBP),
    "avif forbidden": ("image/avif;q=0, image/webp, */*", WEBP),
    "webp forbidden with decimals": ("image/webp;q=0.000, image/*", JPEG),
    "all forbidden": ("image/avif;q=0, image/webp;q=0, image/jpeg;q=0", JPEG),
    "only pictures that we do not make": ("image/png, image/gif", JPEG),
    "no pictures at all": ("text/html", JPEG),
    "capital letters": ("IMAGE/WebP", WEBP),
    "spaces": ("  image/webp ;  q=0.9 ,*/* ; q=0.1", WEBP),
    "capital Q": ("image/webp;Q=0.1, image/jpeg;Q=0.2", JPEG),
    "other parameters": ("image/webp;v=1;q=0.3, image/jpeg;q=0.2", WEBP),
    "the same twice: the better": ("image/webp;q=0.1, image/webp;q=0.9, image/jpeg;q=0.5", WEBP),
    "three decimals": ("image/webp;q=0.801, image/jpeg;q=0.8", WEBP),
    "q that is no number": ("image/webp;q=high, */*", JPEG),
    "q above one": ("image/webp;q=2, */*;q=0.1", JPEG),
    "negative q": ("image/webp;q=-1, */*", JPEG),
    "q that is not finite": ("image/webp;q=inf, image/avif;q=nan, */*", JPEG),
    "q in other scripts' digits": ("image/webp;q=٠.٩, */*;q=0.1", JPEG),
    "empty q": ("image/webp;q=, */*", JPEG),
    "commas": (",,,;;,", JPEG),
    "webp as part of a word": ("image/webpx, ximage/webp", JPEG),
    "no type": ("webp", JPEG),
}


@pytest.mark.parametrize(("accept", "best"), RULES.values(), ids=RULES.keys())
def test_rules(accept: str, best: Format) -> None:
    """The most liked of the formats named wins; junk is passed over; where nothing is liked it is JPEG."""
    assert best_of(accept, ALL) is best


QUALITIES = st.sampled_from(["", ";q=1", ";q=0.9", ";q=0.5", ";q=0", ";q=x", ";v=2;q=0.7", ";q=1.001"])
RANGES = st.sampled_from(
    ["image/webp", "image/avif", "image/jpeg", "image/*", "*/*", "image/png", "text/html", "junk", ""]
)
HEADERS = st.lists(st.tuples(RANGES, QUALITIES).map("".join), max_size=8).map(", ".join) | st.text(
    max_size=80
)
ON = st.sets(st.sampled_from([WEBP, AVIF])).map(lambda on: ONLY_JPEG | on)


@settings(deadline=None)
@given(HEADERS, ON)
def test_no_format_that_is_off_or_not_named(accept: str, on: frozenset[Format]) -> None:
    """Whatever the header: the format is one that is on, and WebP and AVIF only if the header names them."""
    best = best_of(accept, on)

    assert best in on
    assert best is JPEG or best.media_type in accept.lower()


@settings(deadline=None)
@given(st.lists(st.tuples(RANGES, QUALITIES).map("".join), max_size=6), ON, st.randoms(use_true_random=False))
def test_order_says_nothing(ranges: list[str], on: frozenset[Format], random: object) -> None:
    """The order of the ranges in the header makes no difference (RFC 9110 §12.5.1)."""
    shuffled = list(ranges)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert best_of(", ".join(shuffled), on) is best_of(", ".join(ranges), on)


@settings(deadline=None)
@given(HEADERS)
def test_forbidden_is_forbidden(accept: str) -> None:
    """A format at q=0 alone is never sent, however much else is liked."""
    others = ", ".join(part for part in accept.split(",") if "webp" not in part.lower())

    assert best_of(f"{others}, image/webp;q=0", ALL) is not WEBP


JSON = {
    "a program": ("application/json", True),
    "a program that knows problems": ("application/problem+json", True),
    "a program that takes all else": ("application/json, */*;q=0.1", False),
    "axios, Angular": ("application/json, text/plain, */*", False),
    "jQuery": ("application/json, text/javascript, */*; q=0.01", False),
    "fetch with a header": ("application/json, image/*;q=0", True),
    "no picture, explicitly": ("application/json, */*;q=0", True),
    "JSON with a character set": ("application/json; charset=utf-8", True),
    "a picture rather": ("image/*, application/json;q=0.5", False),
    "a picture as well": ("image/webp, application/json", False),
    "JSON rather than a picture": ("application/json, image/*;q=0.9", False),
    "JSON forbidden": ("application/json;q=0", False),
    "anything": ("*/*", False),
    "any application": ("application/*", False),
    "a browser": ("image/avif,image/webp,image/*,*/*;q=0.8", False),
    "nothing": ("", False),
}


@pytest.mark.parametrize(("accept", "wanted"), JSON.values(), ids=JSON.keys())
def test_who_gets_json(accept: str, wanted: bool) -> None:
    """Only a client that names JSON, and takes no picture at all, gets its problems as JSON."""
    assert wants_json(accept) is wanted


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("application/json, text/plain, */*", True), ("application/json", True), ("*/*", False), ("", False),
        ("text/html, application/json", False), ("text/html;q=0.5, application/json", True),
    ],
)  # fmt: skip
def test_who_gets_a_page_as_json(accept: str, wanted: bool) -> None:
    """Where a page is JSON too, whoever names JSON and likes no page as much gets it: axios does."""
    assert prefers_json(accept) is wanted


def test_a_long_header_is_cut_between_its_parts() -> None:
    """Of a header beyond all that browsers send, only what lies whole within the bound is read."""
    headers = CIMultiDict(
        [("Accept", "image/avif"), *[("Accept", "x/" + "y" * 500)] * 60, ("Accept", "image/webp")]
    )
    text = accepted(CIMultiDictProxy(headers))

    assert len(text) <= MAX_ACCEPT
    assert text == "image/avif, x/" + "y" * 500
    assert best_of(text, ALL) is AVIF


def test_nothing_long_enters_a_cache() -> None:
    """Twenty thousand long headers leave the caches as they were."""
    caches = (accepting._kept_choices, accepting._kept_parse)
    before = [cache.cache_info().currsize for cache in caches]
    for number in range(20_000):
        for read in (wants_json, prefers_json, accepting.wants_html, lambda text: best_of(text, ALL)):
            read(f"image/x{number}, " + "y" * accepting.MAX_KEPT)

    assert [cache.cache_info().currsize for cache in caches] == before
    assert all((cache.cache_info().maxsize or 10**9) <= 512 for cache in caches)

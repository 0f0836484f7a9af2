"""ONIX for Books 3.0, 3.1 and 2.1, with reference or short tags, read as a stream.

Only some forty elements matter here. The codes are from EDItEUR's lists, named where they are used.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import BinaryIO

from lxml import etree

from coverproxy.domain.item_title import ItemTitle, forename_first, item_title
from coverproxy.feeds import xml_stream
from coverproxy.feeds.record import Action, Link, Record, SentIdentifier, ShowingPeriod

MAX_PRODUCT_BYTES = 16 * 2**20
"""Real products have about 10 kB; a cover needs none of what makes them longer."""

_SHORT = {
    "product": "Product", "a001": "RecordReference", "a002": "NotificationType",
    "productidentifier": "ProductIdentifier", "b221": "ProductIDType", "b233": "IDTypeName",
    "b244": "IDValue", "b004": "ISBN", "b005": "EAN13", "collateraldetail": "CollateralDetail",
    "supportingresource": "SupportingResource", "x436": "ResourceContentType", "x427": "ContentAudience",
    "x437": "ResourceMode", "resourceversion": "ResourceVersion", "x441": "ResourceForm",
    "resourceversionfeature": "ResourceVersionFeature", "x442": "ResourceVersionFeatureType",
    "x439": "FeatureValue", "x435": "ResourceLink", "contentdate": "ContentDate", "x429": "ContentDateRole",
    "descriptivedetail": "DescriptiveDetail", "titledetail": "TitleDetail", "title": "Title",
    "b202": "TitleType", "titleelement": "TitleElement", "x409": "TitleElementLevel", "b203": "TitleText",
    "b030": "TitlePrefix", "b031": "TitleWithoutPrefix", "b029": "Subtitle", "b028": "DistinctiveTitle",
    "contributor": "Contributor", "b035": "ContributorRole", "b036": "PersonName",
    "b037": "PersonNameInverted", "b039": "NamesBeforeKey", "b040": "KeyNames", "b047": "CorporateName",
    "b306": "Date", "mediafile": "MediaFile", "f114": "MediaFileTypeCode", "f116": "MediaFileLinkTypeCode",
    "f117": "MediaFileLink", "f373": "MediaFileDate",
}  # fmt: skip
"""Short tags, as in ONIX's schemas."""

_SCHEMES = {
    "02": "isbn", "03": "ean", "04": "ean", "05": "ismn", "06": "doi", "13": "lccn", "14": "ean",
    "15": "isbn", "23": "oclc", "24": "isbn", "25": "ismn",
}  # fmt: skip
"""List 5: product identifier types."""

_NAMED = {"01": "", "17": "legal-deposit"}
"""Numbers of an agency: of one that the sender names (01), and of legal deposit."""

_WHOLE = {"01", "02", "03"}
_BLOCKS, _DELETE = "04", "05"
"""List 1: notification types. Others (tests, sales) say nothing about covers."""

_OLD_COVERS = ("06", "04", "07")
"""2.1's list 38: front cover in high quality, front cover, its thumbnail. Not 03 and 05, the whole cover."""


@dataclass(frozen=True)
class OnixRules:
    """What an operator accepts of one sender's pictures; the defaults are cautious."""

    audiences: frozenset[str] = frozenset({"00", "03"})
    """List 154: unrestricted, end customers. 01 (restricted) is never accepted."""
    contents: tuple[str, ...] = ("01",)
    """List 158, best first: 01 front cover, 03 the whole pack."""
    copies_linkable: bool = False
    """Also copy pictures that the sender offers for linking only."""


def records(file: BinaryIO, rules: OnixRules) -> Iterator[Record]:
    """Read every product of *file*. Raises FeedUnreadable if it is not ONIX, or is truncated."""
    for element in xml_stream.elements(file, ("Product", "product"), "ONIX product", MAX_PRODUCT_BYTES):
        yield record(element, rules)


def record(product: etree._Element, rules: OnixRules) -> Record:
    """Read one product, of either release."""
    fields = _Fields(product)
    reference, kind = fields.text("RecordReference"), fields.text("NotificationType")
    found = Record(
        reference, xml_stream.line(product), Action.LEAVE, tuple(_identifiers(fields)), title=_title(fields)
    )
    if kind == _DELETE:
        return replace(found, action=Action.WITHDRAW, why="the sender withdraws the record (05)")
    collateral, media_files = fields.all("CollateralDetail"), fields.all("MediaFile")
    if kind == _BLOCKS and not (collateral or media_files):
        return replace(found, why="an update (04) that does not mention covers")
    if kind not in _WHOLE and kind != _BLOCKS:
        return replace(found, why=f"notification type {kind or 'missing'}")
    resources = [
        each for block in collateral for each in block.all("SupportingResource") if _is_cover(each, rules)
    ]
    links = [*_of_resources(resources, rules), *_of_media_files(media_files)]
    if not links:
        return replace(found, action=Action.WITHDRAW, why="the record has no front cover that may be shown")
    return replace(found, action=Action.REPLACE, links=tuple(links))


class _Fields:
    """An element's children by their reference names, in any namespace and tag style.

    Direct children only: related products have identifiers too, and chapters have pictures.
    """

    def __init__(self, element: etree._Element) -> None:
        self._by_name: dict[str, list[etree._Element]] = {}
        for each in element:
            if isinstance(each.tag, str):
                name = each.tag.rpartition("}")[2]
                self._by_name.setdefault(_SHORT.get(name, name), []).append(each)

    def all(self, name: str) -> list["_Fields"]:
        return [_Fields(each) for each in self._by_name.get(name, [])]

    def texts(self, name: str) -> list[str]:
        return [xml_stream.text(each) for each in self._by_name.get(name, [])]

    def text(self, name: str) -> str:
        return next(iter(self.texts(name)), "")


def _identifiers(product: _Fields) -> Iterator[SentIdentifier]:
    """ISBNs first. 2.1 also has them in separate elements (b004, b005)."""
    found = [SentIdentifier("isbn", text) for text in product.texts("ISBN")]
    found += [SentIdentifier("ean", text) for text in product.texts("EAN13")]
    for each in product.all("ProductIdentifier"):
        kind, value = each.text("ProductIDType"), each.text("IDValue")
        if kind in _SCHEMES:
            found.append(SentIdentifier(_SCHEMES[kind], value))
        elif kind in _NAMED:
            found.append(SentIdentifier(f"local:{_NAMED[kind] or _agency(each.text('IDTypeName'))}", value))
    once = dict.fromkeys(each for each in found if each.text)
    yield from sorted(once, key=lambda each: each.scheme != "isbn")


def _title(product: _Fields) -> ItemTitle | None:
    """The distinctive title (list 15: 01) of the product itself, and its first author (list 17: A01).

    3.0 has both in DescriptiveDetail, and the title in elements by level (list 149: 01 is the product).
    """
    detail = next(iter(product.all("DescriptiveDetail")), product)
    titles = [
        part
        for each in (*detail.all("TitleDetail"), *detail.all("Title"))
        if each.text("TitleType") == "01"
        for part in (each.all("TitleElement") or [each])
        if part.text("TitleElementLevel") in ("01", "")
    ]
    names = next(iter(titles), None)
    written = (names and _written_title(names)) or product.text("DistinctiveTitle")
    authors = (each for each in detail.all("Contributor") if "A01" in each.texts("ContributorRole"))
    return item_title(written, next(map(_name, authors), ""))


def _written_title(title: _Fields) -> str:
    parts = (title.text("TitlePrefix"), title.text("TitleWithoutPrefix"))
    text = title.text("TitleText") or " ".join(filter(None, parts))
    subtitle = title.text("Subtitle")
    return f"{text}: {subtitle}" if text and subtitle else text


def _name(contributor: _Fields) -> str:
    parts = f"{contributor.text('NamesBeforeKey')} {contributor.text('KeyNames')}".strip()
    inverted = forename_first(contributor.text("PersonNameInverted"))
    return contributor.text("PersonName") or parts or inverted or contributor.text("CorporateName")


def _agency(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "sender"


def _is_cover(resource: _Fields, rules: OnixRules) -> bool:
    """Return whether it is an image (list 159: 03) of the front cover, for an accepted audience."""
    audiences = set(resource.texts("ContentAudience"))
    return (
        resource.text("ResourceContentType") in rules.contents
        and resource.text("ResourceMode") == "03"
        and "01" not in audiences
        and (not audiences or bool(audiences & rules.audiences))
    )


def _of_resources(resources: Iterable[_Fields], rules: OnixRules) -> list[Link]:
    """The versions of 3.0's resources: by the rules' order of contents, hostable ones first, then by size."""
    found = []
    for each in resources:
        rank = rules.contents.index(each.text("ResourceContentType"))
        for version in each.all("ResourceVersion"):
            for link in _version(version, _period((each, version))):
                if link.may_be_hosted or rules.copies_linkable:
                    pixels = (link.width or 0) * (link.height or 0)
                    found.append((rank, not link.may_be_hosted, -pixels, link))
    return [link for *_, link in sorted(found, key=lambda each: each[:3])]


def _version(version: _Fields, terms: ShowingPeriod) -> Iterator[Link]:
    """Yield where a version is: its links, then a file of its name beside the feed.

    List 162's features: 02 height and 03 width in pixels, 04 file name, 06 MD5, 07 bytes, 08 SHA-256.
    """
    features = {
        each.text("ResourceVersionFeatureType"): each.text("FeatureValue")
        for each in version.all("ResourceVersionFeature")
    }
    link = Link(
        "",
        width=_number(features.get("03")), height=_number(features.get("02")),
        length=_number(features.get("07")),
        md5=features.get("06", "").lower() or None, sha256=features.get("08", "").lower() or None,
        changed=_dates(version).get("17"), terms=terms,
        may_be_hosted=version.text("ResourceForm") == "02",
    )  # fmt: skip
    addresses = dict.fromkeys((*version.texts("ResourceLink"), features.get("04", "")))
    yield from (replace(link, address=each) for each in addresses if each)


def _of_media_files(files: Iterable[_Fields]) -> list[Link]:
    """2.1's front covers, the best kind first; link types 01 URL, 05 FTP and 06 file name (list 41)."""
    found = [
        (_OLD_COVERS.index(each.text("MediaFileTypeCode")), each)
        for each in files
        if each.text("MediaFileTypeCode") in _OLD_COVERS
        and each.text("MediaFileLinkTypeCode") in ("01", "05", "06")
        and each.text("MediaFileLink")
    ]
    found.sort(key=lambda pair: pair[0])
    return [Link(each.text("MediaFileLink"), changed=_date(each.text("MediaFileDate"))) for _, each in found]


def _period(parts: Iterable[_Fields]) -> ShowingPeriod:
    """Of a version and its resource. List 155: 14 and 27 give the start, 15 and 28 the end."""
    starts, ends = [], []
    for each in parts:
        dates = _dates(each)
        starts += [dates[role] for role in ("14", "27") if role in dates]
        ends += [dates[role] for role in ("15", "28") if role in dates]
    return ShowingPeriod(max(starts, default=None), min(ends, default=None))


def _dates(fields: _Fields) -> dict[str, date]:
    """Return the content dates by role. Never raises: an unreadable date limits nothing."""
    found = {}
    for each in fields.all("ContentDate"):
        if (day := _date(each.text("Date"))) is not None:
            found[each.text("ContentDateRole")] = day
    return found


def _date(text: str) -> date | None:
    """Read a date: ONIX dates begin with YYYYMMDD; YYYYMM and YYYY stand for their first day."""
    digits = re.sub(r"\D", "", text.partition("T")[0])[:8]
    padded = {4: digits + "0101", 6: digits + "01", 8: digits}.get(len(digits))
    try:
        return date(int(padded[:4]), int(padded[4:6]), int(padded[6:])) if padded else None
    except ValueError:
        return None


def _number(text: str | None) -> int | None:
    """Read a count. Senders write "1200", "1200px" and "1.2"; anything but a whole number is unknown."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:px|pixels|bytes)?\s*", text or "")
    return int(found[1]) if found else None

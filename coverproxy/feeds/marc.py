"""MARC 21 records, as ISO 2709 or MARCXML: identifiers, relations and cover links."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from lxml import etree

from coverproxy.domain.item_title import ISBD_ENDS, ItemTitle, forename_first, item_title
from coverproxy.feeds import xml_stream
from coverproxy.feeds.record import Action, FeedUnreadable, Link, Record, RecordRelation, SentIdentifier

if TYPE_CHECKING:
    import pymarc

NAMESPACE = "http://www.loc.gov/MARC21/slim"

MAX_RECORD_BYTES = 100_000
"""ISO 2709 gives a record's length in five digits; MARCXML may have ten times that."""

MAX_CHUNK_BYTES = 10 * MAX_RECORD_BYTES
"""Of ISO 2709. Some programs write longer records, with a wrong length in the leader."""

_FIELD_END = b"\x1e"
_END = b"\x1d"
"""Ends a record (ISO 2709 §4.7); it occurs in no data."""

_COVER = re.compile(r"cover|umschlag|couverture|titelbild|omslag|copertina|cubierta", re.IGNORECASE)
_IMAGE = re.compile(r"\.(?:jpe?g|png|gif|webp|tiff?)$", re.IGNORECASE)
_SET = re.compile(r"\b(?:set|gesamt(?:werk|ausgabe)?|complete)\b", re.IGNORECASE)
_RELATIONS = {"776": "format", "775": "edition", "765": "translation", "767": "translation"}


@dataclass(frozen=True)
class Field:
    """A data field; or a control field, whose only value has the code ""."""

    tag: str
    indicators: str
    subfields: tuple[tuple[str, str], ...]

    def values(self, codes: str) -> list[str]:
        """Return the values of the subfields with one of *codes*, in order."""
        return [value for code, value in self.subfields if code in codes]


@dataclass(frozen=True)
class MarcRules:
    """What an operator configures for one sender's records."""

    agency: str = "marc"
    """The sender's name for records without a 003."""
    all_isbns: bool = False
    """Every ISBN of a record names the same item, including other bindings and the set."""


def records(file: BinaryIO, rules: MarcRules) -> Iterator[Record]:
    """Read ISO 2709. An unreadable record is yielded as one without an action.

    Raises FeedUnreadable if not even the first record can be read: then it is not MARC.
    """
    import pymarc  # here: its table of MARC-8 takes each process 45 MiB, and only this needs it

    good = False
    for number, chunk in enumerate(_chunks(file), start=1):
        try:
            # a letter in another encoding than the leader says is no reason to refuse the numbers beside it
            found = pymarc.Record(
                chunk, to_unicode=True, hide_utf8_warnings=True, utf8_handling="replace"
            )  # fmt: skip
            fields = list(_of_pymarc(found))
        except Exception as exc:  # pymarc has no common error, and raises others' over dirty directories
            why = f"record {number}: {exc}"
            if not good and number == 1 and not chunk.endswith(_END):
                raise FeedUnreadable(why) from None
            yield Record("", number, Action.LEAVE, why=why)
            continue
        good = True
        yield record(fields, number, rules)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the records' bytes, split at their terminator.

    Not by the length in the leader: it is 00000 where a record is too long for it, and wrong in some exports.
    Raises FeedUnreadable for more than MAX_CHUNK_BYTES without an end.
    """
    rest = b""
    while part := file.read(65_536):
        *whole, rest = (rest + part).split(_END)
        yield from (_with_numbers(_begun(each) + _END) for each in whole if each.strip())
        if len(rest) > MAX_CHUNK_BYTES:
            raise FeedUnreadable(f"one MARC record has more than {MAX_CHUNK_BYTES:,} bytes")
    if rest.strip(b"\x1a\r\n\0 "):
        yield _begun(rest)


def _begun(chunk: bytes) -> bytes:
    """Take off what programs put between records; not blanks, as a leader may begin with them."""
    return chunk.lstrip(b"\r\n\0\x1a").removeprefix(b"\xef\xbb\xbf")


def _with_numbers(chunk: bytes) -> bytes:
    """Return a record with its true length in its leader, and where its data begins, whatever that says.

    The length has five digits: at most 99,999. The first field terminator ends the directory (ISO 2709 §4.5).
    """
    begins = b"%05d" % (chunk.find(_FIELD_END) + 1)
    return b"%05d" % min(len(chunk), 99_999) + chunk[5:12] + begins[:5] + chunk[17:]


def xml_records(file: BinaryIO, rules: MarcRules) -> Iterator[Record]:
    """Read MARCXML. Raises FeedUnreadable if it is not well-formed, or has no records."""
    limit = 10 * MAX_RECORD_BYTES
    for element in xml_stream.elements(file, ("record",), "MARC record", limit):
        if _is_wrapping(element):
            continue
        yield record(list(_of_xml(element)), xml_stream.line(element), rules)


def _is_wrapping(element: etree._Element) -> bool:
    """Say whether it is another format's record around one of MARC, as in answers of SRU and OAI-PMH."""
    space = str(element.tag).partition("}")[0].lstrip("{")
    return space not in ("", str(element.tag), NAMESPACE) and element.find("{*}datafield") is None


def _of_pymarc(found: "pymarc.Record") -> Iterator[Field]:
    for each in found.fields:
        if each.control_field:
            yield Field(each.tag, "  ", (("", each.data or ""),))
        else:
            subfields = tuple((part.code, part.value) for part in each.subfields)
            yield Field(each.tag, "".join(each.indicators or "  "), subfields)


def _of_xml(element: etree._Element) -> Iterator[Field]:
    for each in element.iterchildren("{*}controlfield", "{*}datafield"):
        tag = each.get("tag", "")
        if each.tag.endswith("controlfield"):
            yield Field(tag, "  ", (("", each.text or ""),))
        else:
            parts = each.iterchildren("{*}subfield")
            subfields = tuple((part.get("code", ""), xml_stream.text(part)) for part in parts)
            yield Field(tag, each.get("ind1", " ") + each.get("ind2", " "), subfields)


def record(fields: list[Field], line: int, rules: MarcRules) -> Record:
    """Interpret a record's fields for covers."""
    own = _record_id(fields, rules)
    identifiers = (*_isbns(fields, rules), *_others(fields), *own)
    links = tuple(Link(address) for address in _covers(fields))
    why = "" if links else "the record has no link to a cover"
    action = Action.REPLACE if links else Action.LEAVE
    reference = f"{own[0].scheme}:{own[0].text}" if own else ""
    once = tuple(dict.fromkeys(identifiers))
    relations = tuple(_relations(fields))
    return Record(reference, line, action, once, links, relations, why=why, title=_title(fields))


def _title(fields: Iterable[Field]) -> ItemTitle | None:
    """245 $a $b and the parts' $n $p, without ISBD's punctuation; the author of 100 $a, or 110 $a."""
    by_tag = {each.tag: each for each in reversed(list(fields)) if each.tag in ("100", "110", "245")}
    if "245" not in by_tag:
        return None
    text = ""
    for code, value in by_tag["245"].subfields:
        if code in "abnp" and (part := value.strip().rstrip(ISBD_ENDS + ".")):
            text += (": " if code == "b" else ". ") * bool(text) + part
    person, body = (by_tag[tag].values("a")[:1] if tag in by_tag else [] for tag in ("100", "110"))
    inverted = person and by_tag["100"].indicators[:1] == "1"
    author = forename_first(person[0]) if inverted else next(iter(person + body), "")
    return item_title(text, author)


def _record_id(fields: Iterable[Field], rules: MarcRules) -> list[SentIdentifier]:
    control = {each.tag: each.subfields[0][1].strip() for each in fields if each.tag in ("001", "003")}
    if not control.get("001"):
        return []
    return [SentIdentifier(f"local:{(control.get('003') or rules.agency).lower()}", control["001"])]


def _isbns(fields: Iterable[Field], rules: MarcRules) -> list[SentIdentifier]:
    """020 $a. The first ISBN that is not of a set names the item, together with its other form.

    $z is cancelled or wrong. Other bindings and the set are other books, unless the operator says otherwise.
    """
    found = [each for each in fields if each.tag == "020" and each.values("a")]
    single = [each for each in found if not _SET.search(" ".join(each.values("aq")))]
    texts = [each.values("a")[0] for each in (found if rules.all_isbns else single)]
    if not rules.all_isbns and texts:
        texts = [text for text in texts if _core(text) == _core(texts[0])]
    return [SentIdentifier("isbn", text) for text in texts]


def _core(text: str) -> str:
    """Return the nine digits that both forms of an ISBN share."""
    digits = re.sub(r"[^0-9Xx]", "", text.split("(")[0])
    return digits[3:12] if len(digits) >= 12 else digits[:9]


def _others(fields: Iterable[Field]) -> Iterator[SentIdentifier]:
    for each in fields:
        for value in each.values("a")[:1]:
            if each.tag == "022":
                yield SentIdentifier("issn", value)
            elif each.tag == "024" and each.indicators[0] in "123":
                yield SentIdentifier("ismn" if each.indicators[0] == "2" else "ean", value)
            elif each.tag == "010":
                yield SentIdentifier("lccn", value)
            elif each.tag == "035" and value.lower().startswith("(ocolc)"):
                yield SentIdentifier("oclc", value)


def _covers(fields: Iterable[Field]) -> Iterator[str]:
    """Links in 856 42 whose note mentions a cover, and which are images by type or name."""
    for each in fields:
        if each.tag != "856" or each.indicators != "42" or not _COVER.search(" ".join(each.values("3zy"))):
            continue
        is_image = any(value.lower().startswith("image/") for value in each.values("q"))
        for url in map(str.strip, each.values("u")):
            if url and (is_image or _IMAGE.search(url) or _IMAGE.search(url.partition("?")[0])):
                yield url


def _relations(fields: Iterable[Field]) -> Iterator[RecordRelation]:
    for each in fields:
        if kind := _RELATIONS.get(each.tag):
            yield from (
                RecordRelation(kind, SentIdentifier(scheme, value), f"marc-{each.tag}")
                for code, scheme in (("z", "isbn"), ("x", "issn"))
                for value in each.values(code)
            )

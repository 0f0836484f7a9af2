"""Records of ONIX and MARC, as steps: which picture is whose, what is taken back, what is linked."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from coverproxy.domain import schemes
from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.errors import NotAnIdentifier, UnknownScheme
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import Terms
from coverproxy.feeds import record as feed
from coverproxy.feeds.record import Action, Link, Record
from coverproxy.originals.examine import Candidate, OriginalRefused, Read, Refusal
from coverproxy.service.import_steps import LinkedItems, Passed, Sender, Step, TitledItems, Withdrawal
from coverproxy.storage import bounded_read

MOST_TITLED = 4
"""Names of a record under which its title is kept."""


@dataclass(frozen=True, slots=True)
class _Named:
    """The identifiers of a record that are valid, and why the others are not."""

    identifiers: tuple[Identifier, ...]
    faults: tuple[tuple[str, str], ...]


def steps_of(records: Iterable[Record], file: Path, sender: Sender) -> Iterator[Step]:
    """Yield what each record asks for. An invalid identifier beside a valid one is only a remark."""
    for record in records:
        place = f"{file}:{record.line}"
        named = _named(record.identifiers)
        if not named.identifiers:
            yield _nameless(record, named, place)
            continue
        for text, why in named.faults:
            yield Passed(Refusal(str(file), text, "identifier", why, place))
        yield _step(record, named.identifiers, file, place, sender)
        if record.title:
            yield TitledItems(named.identifiers[:MOST_TITLED], record.title)
        if links := tuple(_links(record, named.identifiers[0])):
            yield LinkedItems(links)


def _named(identifiers: Iterable[feed.SentIdentifier]) -> _Named:
    found: list[Identifier] = []
    faults: list[tuple[str, str]] = []
    for each in identifiers:
        try:
            reading = schemes.parse(each.scheme, each.text)
        except (NotAnIdentifier, UnknownScheme) as exc:
            faults.append((each.text, str(exc)))
            continue
        if reading.sure is not None:
            found.append(reading.sure)
        else:
            faults.append((each.text, "it can mean several items"))
    return _Named(tuple(dict.fromkeys(found)), tuple(faults))


def _nameless(record: Record, named: _Named, place: str) -> Step:
    """Refuse a record that names no item; one that has nothing to say of covers is only passed over."""
    if named.faults:
        text, why = named.faults[0]
        return Refusal(place, text, "isbn", why, place)
    if record.action is Action.LEAVE and record.reference:
        return Passed()
    why = record.why or "the record has no identifier"
    return Refusal(place, "", "record", why, place)


def _step(
    record: Record, identifiers: tuple[Identifier, ...], file: Path, place: str, sender: Sender
) -> Step:
    if record.action is Action.WITHDRAW:
        return Withdrawal(sender.source, record.reference, identifiers, record.why, place)
    if record.action is Action.LEAVE:
        return Passed()
    may_be_shown = [each for each in record.links if not _is_over(each, sender.now)]
    if not may_be_shown:
        last = max(each.terms.shown_until for each in record.links if each.terms.shown_until)
        why = f"the sender let it be shown until {last}"
        return Withdrawal(sender.source, record.reference, identifiers, why, place)
    begun = [each for each in may_be_shown if (_moment(each.terms.shown_from) or 0) <= sender.now]
    if not begun:
        day = min(each.terms.shown_from for each in may_be_shown if each.terms.shown_from)
        why = f"the sender lets it be shown from {day}; the file is read again then"
        return Passed(Refusal(str(file), identifiers[0].value, "early", why, place), again=_moment(day))
    first, *others = (_candidate(each, record, identifiers, file, place, sender) for each in begun)
    return replace(first, alternatives=tuple(others))


def _is_over(link: Link, now: int) -> bool:
    until = _after(link.terms.shown_until)
    return until is not None and until <= now


def _candidate(
    link: Link, record: Record, identifiers: tuple[Identifier, ...], file: Path, place: str, sender: Sender
) -> Candidate:
    """Return one picture of a record: fetched, or a file beside the sender's own."""
    named = Candidate(
        str(identifiers[0]), file, sender.source, place=place, record=record.reference, stamp=_stamp(link),
        others=identifiers[1:], terms=_terms(link, sender),
    )  # fmt: skip
    if link.is_url:
        read: Read = partial(fetched, link.address, sender)
        return replace(named, address=link.address, read=partial(_verified, read, link))
    beside = file.parent / Path(link.address.replace("\\", "/")).name  # a name, never a path: it is theirs
    if link.length or link.md5 or link.sha256:
        read = partial(_verified, partial(_of_file, beside), link)
        return replace(named, path=beside, address=str(beside), read=read)
    return replace(named, path=beside)


def _terms(link: Link, sender: Sender) -> Terms:
    return replace(sender.terms, until=_earlier(_after(link.terms.shown_until), sender.terms.until))


def _stamp(link: Link) -> str:
    """Write down what a sender says of a picture: while it says the same, the picture is the same."""
    said = (link.address, link.changed, link.length, link.md5, link.sha256)
    return " ".join("" if each is None else str(each) for each in said)


def fetched(address: str, sender: Sender, most: int) -> tuple[bytes, int | None]:
    """Fetch a link, if the sender's links may be. Raises OriginalRefused."""
    if sender.fetch is None:
        raise OriginalRefused("host", "links are fetched only from hosts that are listed for a feed")
    return sender.fetch(address, most)


def _of_file(path: Path, most: int) -> tuple[bytes, int | None]:
    try:
        body, status = bounded_read.read(path, most + 1)
    except OSError as exc:
        raise OriginalRefused("unreadable", exc.strerror or str(exc)) from None
    return body, int(status.st_mtime)


def _verified(read: Read, link: Link, most: int) -> tuple[bytes, int | None]:
    """Read a picture and hold it against what the sender says of it. Raises OriginalRefused."""
    body, modified = read(most)
    if len(body) > most:
        return body, modified
    if link.length is not None and len(body) != link.length:
        raise OriginalRefused("differs", f"{len(body)} bytes; the sender says {link.length}")
    for name, said in (("md5", link.md5), ("sha256", link.sha256)):
        if said and hashlib.new(name, body, usedforsecurity=False).hexdigest() != said:
            raise OriginalRefused("differs", f"its {name.upper()} is not the one that the sender says")
    return body, modified


def _links(record: Record, identifier: Identifier) -> Iterator[EditionLink]:
    for each in record.relations:
        for other in _named([each.identifier]).identifiers:
            yield EditionLink(identifier, other, Relation(each.kind), each.linked_by)


def _moment(day: date | None) -> int | None:
    """Return the first second of a day in UTC."""
    return None if day is None else int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _after(day: date | None) -> int | None:
    """Return the first second after a day in UTC; 9999-12-31 is what senders write for "for ever"."""
    try:
        return None if day is None else _moment(day + timedelta(days=1))
    except OverflowError:
        return None


def _earlier(one: int | None, other: int | None) -> int | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)

"""Files as senders send them: ONIX with pictures beside, and zips."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import images
from library import BOOK, Library, open_taker

from coverproxy.config import FeedConfig
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.service.import_file import offered
from coverproxy.service.import_results import ImportReport
from coverproxy.wiring.data_folder import open_shelf
from coverproxy.wiring.feeds import open_sender

BLUE, RED, GREEN = (images.distinct(images.small_jpeg(), number) for number in range(3))


def product(
    link: str | None, isbn: str = BOOK, kind: str = "03", record: str = "r1", audience: str = "00",
    features: str = "", dates: str = "",
) -> str:  # fmt: skip
    """A product of ONIX 3.0, with a front cover or without."""
    resource = (
        "<CollateralDetail><SupportingResource><ResourceContentType>01</ResourceContentType>"
        f"<ContentAudience>{audience}</ContentAudience><ResourceMode>03</ResourceMode>{dates}<ResourceVersion>"
        f"<ResourceForm>02</ResourceForm>{features}<ResourceLink>{link}</ResourceLink></ResourceVersion>"
        "</SupportingResource></CollateralDetail>"
    )
    return (
        f"<Product><RecordReference>{record}</RecordReference><NotificationType>{kind}</NotificationType>"
        f"<ProductIdentifier><ProductIDType>15</ProductIDType><IDValue>{isbn}</IDValue></ProductIdentifier>"
        f"{'' if link is None else resource}</Product>"
    )


def onix(library: Library, *products: str) -> Path:
    """Write an ONIX message beside the pictures."""
    head = '<ONIXMessage release="3.0" xmlns="http://ns.editeur.org/onix/3.0/reference">'
    path = library.covers / "feed.dat"
    path.write_text(head + "\n" + "\n".join(products) + "</ONIXMessage>", encoding="utf-8")
    return path


def feature(kind: str, value: str) -> str:
    return (
        f"<ResourceVersionFeature><ResourceVersionFeatureType>{kind}</ResourceVersionFeatureType>"
        f"<FeatureValue>{value}</FeatureValue></ResourceVersionFeature>"
    )


def dated(role: str, day: str) -> str:
    return f"<ContentDate><ContentDateRole>{role}</ContentDateRole><Date>{day}</Date></ContentDate>"


def bytes_of(library: Library, isbn: str = BOOK) -> list[bytes]:
    """The pictures of a book, best first."""
    with library.shelf() as shelf:
        return [shelf.files.read(each, 10**6) for each in shelf.catalogue.find(Identifier(ISBN, isbn))]


def zip_of(library: Library, members: dict[str, bytes], name: str = "covers.zip") -> Path:
    path = library.covers / name
    with zipfile.ZipFile(path, "w") as made:
        for member, body in members.items():
            made.writestr(member, body)
    return path


def take(library: Library, path: Path, *hosts: str, **said: Any) -> ImportReport:
    """Take in a file of the sender "house", whose links are at *hosts*."""
    config = library.config()
    feed = FeedConfig(
        name="house", dir=".", hosts=hosts, allow=("127.0.0.1",), requests_per_second=1000,
        **{key: value for key, value in said.items() if key in FeedConfig.model_fields},
    )  # fmt: skip
    changes = {key: value for key, value in said.items() if key not in FeedConfig.model_fields}
    with (
        open_shelf(config) as shelf,
        open_sender(config, feed) as sender,
        open_taker(config, shelf, library.refusals.append) as importer,
    ):
        return importer.run(offered(path, replace(sender, **changes)), lambda report: None)

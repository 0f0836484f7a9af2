"""The upload page: a picture of an item is sent, seen in every size, and then saved."""

from functools import partial
from typing import Any, NamedTuple

from aiohttp import BodyPartReader, web
from itsdangerous import BadSignature, URLSafeTimedSerializer

from coverproxy.domain import schemes
from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import (
    BadPicture,
    BadQuestion,
    CoverError,
    KeyRequestReason,
    KeyRequestRefused,
    MalformedPath,
    NoCover,
    TooLarge,
    UnknownKey,
    WrongSecret,
)  # fmt: skip
from coverproxy.domain.original import Original, OriginalState, Terms
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.transform import target_size
from coverproxy.service.contribute import SOURCE, Contribution
from coverproxy.service.curate import Curator
from coverproxy.web.api.page_schemas import SentDone, SentPicture, UploadPage
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, COVERS, CURATOR, DESK, UPLOADS
from coverproxy.web.errors import meaning
from coverproxy.web.pages import forms
from coverproxy.web.pages.lookup import asked
from coverproxy.web.pages.page import HEADERS, person, shown, texts_for
from coverproxy.web.pages.session import admin, who
from coverproxy.web.paths import item_of
from coverproxy.web.uploader import ADMIN, MAX_FIELDS, Person, chunks, owner, read, text

routes = web.RouteTableDef()

SEEN_SECONDS = 3600
"""How long a picture that was sent can be saved."""

_ITEM = r"/{scheme}/{value:[^/]+}"


class SentUpload(NamedTuple):
    """A picture that was sent, as its signed address tells: of which item, by whom, and why."""

    item: str
    digest: str
    sender: str
    is_trusted: bool
    note: str


@routes.get("/upload" + _ITEM)
@person
async def ask(request: web.Request) -> web.StreamResponse:
    """Show the form."""
    return _form(request)


@routes.get("/admin/upload" + _ITEM)
@admin
async def ask_admin(request: web.Request) -> web.StreamResponse:
    """Show the form to an administrator, who needs no key."""
    return _form(request, admin=who(request))


@routes.post("/upload" + _ITEM)
@person
async def send(request: web.Request) -> web.StreamResponse:
    """Take the picture in, for now unseen, and lead on to how it looks."""
    return await _sent(request, "")


@routes.post("/admin/upload" + _ITEM)
@admin
async def send_admin(request: web.Request) -> web.StreamResponse:
    """Do the same for an administrator."""
    return await _sent(request, who(request))


async def _sent(request: web.Request, admin: str) -> web.StreamResponse:
    """Receive the form; on a refusal show it again, and say why in words for people."""
    fields: dict[str, str] = {}
    try:
        seen = await _received(request, admin, fields)
    except (BadPicture, TooLarge, KeyRequestRefused, UnknownKey, WrongSecret, BadQuestion) as exc:
        return _form(request, admin=admin, fault=exc, typed=fields)
    place = f"/upload/seen/{_signer(request).dumps(seen)}"
    return web.Response(status=303, headers={"Location": place, "Cache-Control": "no-store"})


async def _received(request: web.Request, admin: str, fields: dict[str, str]) -> SentUpload:
    """Read the form as it arrives. The file is its last field, so refusals come before its bytes are read."""
    if request.content_type != "multipart/form-data":
        raise BadQuestion("expected multipart/form-data")
    book, sent_by = _book(request), None
    reader = await read(request.multipart())
    while (part := await read(reader.next())) is not None:
        if not isinstance(part, BodyPartReader) or len(fields) > MAX_FIELDS:
            raise BadQuestion("unexpected field")
        if part.name != "file":
            fields[part.name or ""] = await text(part)
            continue
        forms.check(request, fields, admin)
        sent_by = sent_by or (ADMIN if admin else await _owner(request, fields))
        uploads, url = request.app[UPLOADS], fields.get("url", "")
        if not part.filename and not url:
            raise BadPicture("none", "no file was chosen")
        said = _said(fields, sent_by, part.filename or url)
        account = "admin" if sent_by.is_admin else fields["key"]
        body = chunks(part) if part.filename else uploads.at(url)
        _, told = await uploads.take(body, None, book, said, account, "")
        return SentUpload(book.listed, told["digest"], sent_by.name, sent_by.is_trusted, said.note)
    raise BadPicture("none", "the form has no file")


async def _owner(request: web.Request, fields: dict[str, str]) -> Person:
    """Return whose key and word these are. Raises KeyRequestRefused, UnknownKey, WrongSecret."""
    desk = request.app[DESK]
    key = await desk.keys.owned(fields.get("key", ""), fields.get("word", ""), forms.address(request))
    if not key.is_active(request.app[ACCOUNTS].now()):
        raise KeyRequestRefused(KeyRequestReason.INACTIVE)
    return owner(key, request.app[CONFIG].upload)


def _said(fields: dict[str, str], sent_by: Person, filename: str) -> Contribution:
    """Return the form's contribution. It is untrusted: the picture is shown only once it is saved."""
    terms = Terms(licence=fields.get("licence", "")[:500] or None, no_crop="no_crop" in fields)
    return Contribution(sent_by.name, SOURCE, filename[:500], terms, fields.get("note", "")[:500])


def _form(
    request: web.Request,
    admin: str = "",
    fault: CoverError | None = None,
    typed: dict[str, str] | None = None,
) -> web.Response:
    limits, upload = request.app[CONFIG].limits, request.app[CONFIG].upload
    why = _why(request, fault) if fault else ""
    data: UploadPage = {
        "item": _book(request).listed, "max_bytes": min(upload.max_bytes, limits.max_bytes),
        "max_pixels": limits.max_pixels, "min_side_px": limits.min_side_px, "why": why,
        "hosts": list(upload.hosts), "is_reviewed": not admin and upload.owners != "trusted",
    }  # fmt: skip
    status = meaning(fault).status if fault else 200
    more: dict[str, Any] = {"is_admin": bool(admin), "typed": typed or {}}
    more["token"] = forms.token(request, admin)
    return shown(request, "upload.html", data, status=status, **more)


def _why(request: web.Request, fault: CoverError) -> str:
    """Say why a picture was refused, in a text of the pages, or else in the error's own words."""
    texts = texts_for(request)
    if isinstance(fault, KeyRequestRefused):
        return texts(f"refused.{fault.reason}")
    if isinstance(fault, TooLarge):
        return texts("picture.large")
    if isinstance(fault, BadPicture) and fault.kind:
        return texts("picture.type", kind=texts(f"kind.{fault.kind}"))
    name = f"picture.{fault.reason}" if isinstance(fault, BadPicture) else meaning(fault).text
    known = name in texts.by_name
    return texts(name) if known else f"{texts('picture.other')} {fault}"


@routes.get("/upload/seen/{seen}")
@person
async def look(request: web.Request) -> web.StreamResponse:
    """Show how every size will look, and what to do next."""
    return await _looked(request)


async def _looked(request: web.Request, done: SentDone = "") -> web.Response:
    seen = _seen(request)
    original = None if done == "discarded" else await _original(request, seen)
    sizes = request.app[CONFIG].usual_sizes
    sides = (original.width, original.height) if original else (1, 1)
    data: SentPicture = {
        "item": seen.item, "digest": seen.digest, "done": done, "is_trusted": seen.is_trusted,
        "sizes": [
            {"name": each, "of": [*target_size(sides, size)], "src": f"{request.path}/{each}.jpg"}
            for each, size in sizes.items()
        ] if original else [],
        "width": sides[0], "height": sides[1],
        "is_small": bool(original) and sides[0] < min(300, max(size.width for size in sizes.values())),
        "detail": original.detail if original else None,
    }  # fmt: skip
    return shown(request, "upload_seen.html", data, token=forms.token(request))


@routes.get("/upload/seen/{seen}/{size:[a-z0-9]+}.jpg")
@person
async def picture(request: web.Request) -> web.StreamResponse:
    """Show the picture that was sent in one size, made as the cover will be."""
    size = request.app[CONFIG].sizes.get(request.match_info["size"])
    original = await _original(request, _seen(request))
    if size is None or original is None:
        raise NoCover("there is no such picture")
    body = await request.app[COVERS].preview(original, size)
    headers = HEADERS | {"Content-Type": "image/jpeg", "Cache-Control": "private, max-age=3600"}
    return web.Response(headers=headers, body=body)


@routes.post("/upload/seen/{seen}")
@person
async def settle(request: web.Request) -> web.StreamResponse:
    """Save what was sent: show it, or have it reviewed; or take it back."""
    act = (await forms.read(request)).get("act", "")
    seen = _seen(request)
    original = await _original(request, seen)
    if original is None:
        raise NoCover("it is no longer there")
    by = Decision(seen.sender, int(request.app[ACCOUNTS].now()), seen.note)
    if act == "discard":
        await asked(request, partial(_take_back, request.app[CURATOR], original, by))
        return await _looked(request, "discarded")
    if act != "save":
        raise KeyRequestRefused(KeyRequestReason.ACTION)
    if seen.is_trusted:
        await asked(request, partial(_save, request.app[CURATOR], original, by))
    return await _looked(request, "saved" if seen.is_trusted else "waits")


def _save(curator: Curator, original: Original, by: Decision) -> None:
    book, digest = original.identifier, original.digest
    if original.state is OriginalState.PENDING:
        curator.approve(book, digest, by)
    else:  # the item had these bytes already
        curator.pin(book, digest, by)


def _take_back(curator: Curator, original: Original, by: Decision) -> None:
    """Remove what was sent, unless it is shown: then it was there before."""
    if original.state is OriginalState.PENDING:
        curator.withdraw(original.identifier, original.digest, by)


async def _original(request: web.Request, seen: SentUpload) -> Original | None:
    identifier, digest = schemes.read(seen.item).identifiers[0], bytes.fromhex(seen.digest)
    return await request.app[COVERS].original(identifier, digest)


def _seen(request: web.Request) -> SentUpload:
    """Return what was sent, as its signed address tells. Raises MalformedPath once too old."""
    text = request.match_info["seen"].encode(errors="surrogateescape")
    try:
        return SentUpload(*_signer(request).loads(text, max_age=SEEN_SECONDS))
    except BadSignature as exc:
        raise MalformedPath("there is no such upload, or it is too old") from exc


def _signer(request: web.Request) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(request.app[DESK].secret, salt="upload")


def _book(request: web.Request) -> Identifier:
    """Return the item that the address names. Raises MalformedPath, BadQuestion if it can mean several."""
    return item_of(request, BadQuestion)

"""An object store as a source: what it promises of any source, and what each of its failures comes to."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certificates import self_signed
from contracts import MATILDA, MATILDA_10, MOST, THEN, SourceContract
from s3_server import BUCKET, KEY_ID, REGION, S3, SECRET, Stored, running

from coverproxy.domain.url_template import PathTemplate
from coverproxy.objects.opening import open_store
from coverproxy.sources.base import Fetched, NotThere, SourceUnavailable, Unchanged, Validators
from coverproxy.sources.objects import ObjectSource

SIGNED: dict[str, Any] = {"region": REGION, "access_key_id": KEY_ID, "secret_access_key": SECRET}
SECONDS = 5.0


def source(
    endpoint: str,
    url: str = f"s3://{BUCKET}/large",
    seconds: float = SECONDS,
    key: str = "{isbn10:0:2}/{isbn10}.jpg",
    **options: str,
) -> ObjectSource:
    store = open_store(url, options or SIGNED, endpoint, seconds, "coverproxy/0 (covers@library.example)")
    return ObjectSource("bucket", store, PathTemplate(key), MOST, seconds)


@dataclass
class Bucket:
    """A bucket, and a source that asks it."""

    store: S3
    source: ObjectSource

    def put(self, isbn10: str, body: bytes, modified: int) -> None:
        self.store.objects[f"large/{isbn10[:2]}/{isbn10}.jpg"] = Stored(body, modified)

    def remove(self, isbn10: str) -> None:
        del self.store.objects[f"large/{isbn10[:2]}/{isbn10}.jpg"]

    async def go_down(self) -> None:
        self.store.fault = "503"


@pytest.fixture
async def place() -> AsyncIterator[Bucket]:
    async with running() as store, aclosing(source(store.url)) as asked:
        bucket = Bucket(store, asked)
        bucket.put(MATILDA_10, b"a cover", THEN)
        yield bucket


class TestObjects(SourceContract):
    """A store that speaks S3 keeps what a source promises."""


async def refused(asked: ObjectSource, known: Validators | None = None) -> SourceUnavailable:
    """What the source says where it could not be asked."""
    with pytest.raises(SourceUnavailable) as told:
        await asked.fetch(MATILDA, known)
    return told.value


async def test_what_is_sent(place: Bucket) -> None:
    """One GET of the key, signed, with who we are; nothing of a client, and no second request."""
    await place.source.fetch(MATILDA, None)

    (request,) = place.store.got
    assert (request.method, request.raw_path) == ("GET", f"/{BUCKET}/large/01/{MATILDA_10}.jpg")
    assert {name.lower() for name in request.headers} == {
        "host", "user-agent", "accept", "authorization", "x-amz-date", "x-amz-content-sha256",
    }  # fmt: skip
    assert request.headers["User-Agent"] == "coverproxy/0 (covers@library.example)"


async def test_one_condition_is_sent(place: Bucket) -> None:
    """With an ETag known only it is asked by; a time is second best, and 304 is Unchanged."""
    body = place.store.objects[f"large/01/{MATILDA_10}.jpg"]
    date = "Tue, 14 Nov 2023 22:13:20 GMT"

    assert await place.source.fetch(MATILDA, Validators(body.etag, date)) == Unchanged()
    assert await place.source.fetch(MATILDA, Validators(None, date)) == Unchanged()

    conditions = [
        {name: value for name, value in each.headers.items() if name.startswith("If-")}
        for each in place.store.got
    ]
    assert conditions == [{"If-None-Match": body.etag}, {"If-Modified-Since": date}]


async def test_a_store_without_conditions_is_unchanged_by_its_etag(place: Bucket) -> None:
    """A store that sends the object again whole, with the known ETag, is not read from."""
    place.store.conditions = False
    known = Validators(place.store.objects[f"large/01/{MATILDA_10}.jpg"].etag)

    assert await place.source.fetch(MATILDA, known) == Unchanged()


async def test_what_is_no_validator_is_not_asked_by(place: Bucket) -> None:
    """Validators that hold nothing to ask by, or what no header can hold, fetch the cover."""
    for known in (Validators(), Validators(None, "yesterday"), Validators('"a\n"'), Validators('"\u00e9"')):
        assert isinstance(await place.source.fetch(MATILDA, known), Fetched)


async def test_credentials_come_from_the_environment(place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials among the options, those of the environment are used, as its own tools do."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

    answer = await source(place.store.url, region=REGION).fetch(MATILDA, None)

    assert isinstance(answer, Fetched)


async def test_a_proxy_of_the_environment_is_not_used(place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the environment names is passed by: it would connect to any address for us."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert isinstance(await source(place.store.url, **SIGNED).fetch(MATILDA, None), Fetched)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"access_key_id": "AKNOBODY"}, "InvalidAccessKeyId"),
        ({"skip_signature": "true"}, "AccessDenied"),
    ],
)
async def test_wrong_credentials_are_no_answer(place: Bucket, changed: dict[str, Any], code: str) -> None:
    """A store that refuses us has not said that the cover is missing; its own word is told, no secret."""
    told = await refused(source(place.store.url, **(SIGNED | changed)))

    assert (told.reason, str(told)) == ("refused", f"refused: 403 {code}")


async def test_a_bucket_that_is_none_is_no_answer(place: Bucket) -> None:
    """A 404 for the bucket is a fault of the config: not every book there is counts as missing."""
    told = await refused(source(place.store.url, url="s3://covres"))

    assert str(told) == "status: 404 NoSuchBucket"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("500", "status: 500 SlowDown"),
        ("503", "status: 503 SlowDown"),
        ("429", "status: 429 SlowDown"),
        ("400", "status: 400 SlowDown"),
        ("401", "refused: 401 SlowDown"),
        ("304", "status: 304 to an unconditional request"),
        ("412", "status: 412 SlowDown"),
        ("page", "status: 404"),
        ("cut", "cut: GenericError"),
        ("endless", "protocol: GenericError"),
        ("gzip", "encoded: the object is stored compressed"),
    ],
)
async def test_a_failure_is_no_answer(place: Bucket, fault: str, told: str) -> None:
    """Errors, pages of other servers, cut and endless bodies are each told by a word, after one request."""
    place.store.fault = fault

    assert str(await refused(place.source)) == told
    assert len(place.store.got) == 1


@pytest.mark.parametrize("fault", ["slow headers", "slow body"])
async def test_a_slow_store_is_cut_off(place: Bucket, fault: str) -> None:
    """A store that does not answer, or answers a byte now and then, is no answer when its time is over."""
    place.store.fault = fault
    started = time.monotonic()

    told = await refused(source(place.store.url, seconds=0.5))

    assert told.reason == "timeout"
    assert 0.4 < time.monotonic() - started < 20


async def test_too_long_an_object_is_not_read(place: Bucket) -> None:
    """Of a gigabyte no more comes over than buffers hold before the connection is closed."""
    place.store.fault = "huge"

    assert await place.source.fetch(MATILDA, None) == NotThere(f"more than {MOST} bytes")
    await asyncio.sleep(0.1)
    sent = place.store.sent
    await asyncio.sleep(0.1)
    assert place.store.sent == sent < 20_000_000


async def test_no_more_is_taken_than_was_told(place: Bucket) -> None:
    """A server that sends on after the length that it told gives the told bytes, and no time to ask by."""
    place.store.fault = "overlong"

    assert await place.source.fetch(MATILDA, None) == Fetched(b"a cover", Validators())


async def test_a_redirect_takes_no_credentials_along(place: Bucket) -> None:
    """A store that leads to another server does not lead our signature there; in circles it is no answer."""
    async with running() as other:
        place.store.fault = f"{other.url}/elsewhere"
        assert str(await refused(place.source)) == "refused: 403 AccessDenied"
        assert "Authorization" not in other.got[0].headers

    place.store.fault = f"{place.store.url}/again"
    assert str(await refused(place.source)) == "protocol: GenericError"
    assert len(place.store.got) < 15


async def test_a_server_that_is_down_is_no_answer() -> None:
    """A port where nobody listens is told as connect, at once, and not tried again."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        started = time.monotonic()
        told = await refused(source(f"http://127.0.0.1:{unused.getsockname()[1]}"))

    assert told.reason == "connect"
    assert time.monotonic() - started < 20


async def test_a_name_that_is_none_is_no_answer() -> None:
    """A host that has no address (RFC 6761: .invalid never has) is told as dns."""
    told = await refused(source("http://store.invalid"))

    assert told.reason == "dns"


@pytest.fixture
def own_certificate(tmp_path: Path) -> ssl.SSLContext:
    """What a server with a certificate that it signed itself needs."""
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_that_nobody_signed_is_no_answer(own_certificate: ssl.SSLContext) -> None:
    """A server with a certificate of its own making is told as tls, and gets no request."""
    async with running(own_certificate) as store:
        told = await refused(source(store.url))

    assert told.reason == "tls"
    assert store.got == []


async def test_the_store_says_to_wait(place: Bucket) -> None:
    """A 429 is a wish to be left alone for a while, though obstore does not tell for how long."""
    place.store.fault = "429"

    assert (await refused(place.source)).retry_after == 60


async def test_a_cancelled_ask_lets_go(place: Bucket) -> None:
    """An ask that is cancelled ends at once, and the next one is answered."""
    place.store.fault = "slow headers"
    asking = asyncio.create_task(place.source.fetch(MATILDA, None))
    while not place.store.got:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    place.store.fault = ""
    assert isinstance(await place.source.fetch(MATILDA, None), Fetched)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"s3://{BUCKET}", {"region": REGION, "skip_signature": "true"}),
        (f"gs://{BUCKET}", {"skip_signature": "true"}),
        (f"az://{BUCKET}", {"account_name": "library", "skip_signature": "true"}),
    ],
)
async def test_each_kind_of_store_asks(place: Bucket, url: str, options: dict[str, Any]) -> None:
    """S3, Google and Azure get the object by its key, tell a missing one, and an ETag that is known."""
    place.store.signed = False
    place.store.objects["9780140328721.jpg"] = Stored(b"a cover", THEN)
    asked = source(place.store.url, url, key="{isbn13}.jpg", **options)

    answer = await asked.fetch(MATILDA, None)
    assert isinstance(answer, Fetched)
    assert (answer.body, answer.date) == (b"a cover", THEN)
    assert await asked.fetch(MATILDA, answer.validators) == Unchanged()

    if url.startswith("az"):
        place.store.fault = "no-blob"
    place.store.objects.clear()
    assert isinstance(await asked.fetch(MATILDA, answer.validators), NotThere)


async def test_a_signature_in_the_url_is_not_told(place: Bucket) -> None:
    """Azure's shared access signature is part of the URL: no error tells it."""
    place.store.fault = "500"
    asked = source(place.store.url, "az://covers", account_name="library", sas_key="sv=1&sig=s3cr3t")

    told = await refused(asked)

    assert "sig=s3cr3t" in place.store.got[0].raw_path
    assert "s3cr3t" not in str(told)
    assert told.__cause__ is None


@pytest.mark.parametrize(
    ("url", "options", "named"),
    [
        ("ftp://x", {}, "ftp:// is not an object store"),
        ("file:///srv", {}, "kind folder"),
        ("covers", {}, "is not an object store"),
        ("s3://", {}, "s3: "),
        ("s3://b", {"nonsense": "s3cr3t"}, "nonsense is not an option"),
        ("s3://b", {"skip_signature": "s3cr3t"}, "s3: "),
        ("gs://b", {"service_account_key": "s3cr3t"}, "gs: "),
    ],
)
def test_a_wrong_setting_is_told(url: str, options: dict[str, Any], named: str) -> None:
    """What cannot be a store is told when it is opened, without the value of any option."""
    with pytest.raises(ValueError, match=named) as told:
        open_store(url, options, "", 1.0, "coverproxy")
    assert "s3cr3t" not in str(told.value)


@pytest.mark.parametrize("key", ["/{isbn13}", "a/../{isbn13}", "{isbn13}/", "a//{isbn13}", "./{isbn13}"])
def test_a_key_is_a_path_below(key: str) -> None:
    """A key or a path that leads elsewhere, or that has two spellings, is refused when it is read."""
    with pytest.raises(ValueError, match="relative path"):
        PathTemplate(key)

"""Our own address of a book, which the router finds before the patterns of other services."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from conftest import COVERED, configured

from coverproxy.config import Config
from coverproxy.stats.metrics import Metrics
from coverproxy.web.app import build
from coverproxy.web.own_address import OwnAddress, strict
from coverproxy.web.shapes import librarything, table

HERE = "/devkey/cp_" + "k" * 26


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The default config, with every shape."""
    return configured(tmp_path_factory.mktemp("own") / "data")


async def test_it_leads_where_the_path_of_any_cover_leads(config: Config) -> None:
    """With each ending, and with a query, it is the handler and the path that the router finds without it."""
    app = build(config, Metrics())
    own = next(each for each in app.router.resources() if isinstance(each, OwnAddress))
    for path in (f"{HERE}/medium/isbn/{COVERED}", f"{HERE}/w320/isbn/{COVERED}.jpeg?default=404"):
        for method in ("GET", "HEAD"):
            found, _ = await own.resolve(make_mocked_request(method, path))
            assert found is not None
            assert found.handler is librarything.cover
            assert found["path"] == path.partition("?")[0][1:]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("OPTIONS", f"{HERE}/medium/isbn/{COVERED}"), ("POST", f"{HERE}/medium/isbn/{COVERED}"),
        ("GET", f"{HERE}/nosuchsize/isbn/{COVERED}"), ("GET", f"{HERE}/medium/isbn/{COVERED}-M.jpg"),
        ("GET", f"{HERE}/medium/isbn/0140328726"), ("GET", f"{HERE}/medium/isbn/{COVERED}/"),
        ("GET", f"{HERE}/medium/isbn//{COVERED}"),
    ],
)  # fmt: skip
async def test_all_else_is_left_to_the_router(config: Config, method: str, path: str) -> None:
    """Another method, size, spelling or number is not for it."""
    own = OwnAddress(config.size_table)
    assert await own.resolve(make_mocked_request(method, path)) == (None, set())


async def test_it_takes_no_address_from_another_service(config: Config) -> None:
    """Of every size, no shape has a pattern that fits its path: those come after it."""
    app = web.Application()
    table.add_routes(app.router, config)
    for size in (*config.size_table.sizes, *config.size_table.aliases):
        request = make_mocked_request("GET", f"{HERE}/{size}/isbn/{COVERED}")
        assert (await app.router.resolve(request)).http_exception is not None


@pytest.mark.parametrize(
    ("path", "fewer"),
    [
        ("//cover", "/cover"), ("/devkey//k//cover", "/devkey/k/cover"), ("/cover/", "/cover"), ("/", "/"),
        ("///", "/"), ("/devkey/k/b/lccn/75-425165//r75-M.jpg", "/devkey/k/b/lccn/75-425165//r75-M.jpg"),
        ("/devkey", "/devkey"),
    ],
)  # fmt: skip
def test_slashes_too_many_are_before_an_address_and_behind_it(path: str, fewer: str) -> None:
    """Those within a value belong to it."""
    assert strict(path) == fewer


async def test_slashes_too_many_lead_to_no_page(config: Config) -> None:
    """Only other services' addresses are found so: no page, no API, no cover of ours."""
    app = build(config, Metrics())
    for path in ("/status/", f"{HERE}//usage", f"{HERE}/medium/isbn/{COVERED}/"):
        found = await app.router.resolve(make_mocked_request("GET", path))
        assert found.handler is librarything.cover, path

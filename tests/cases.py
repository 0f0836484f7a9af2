"""Cases of the table of answers: a request, and what comes."""

import shutil

from conftest import COVERED, UNCOVERED, Running

from coverproxy.demo.classics import CLASSICS

BAD_CHECK_DIGIT = "9780141439519"

COLD, LOST = CLASSICS[-1].isbns[0], CLASSICS[-2].isbns[0]
"""A book whose cover is never made, and one whose original goes: for these rows alone."""


async def _missing(server: Running) -> str:
    return server.path(UNCOVERED)


async def _invalid(server: Running) -> str:
    return server.path(BAD_CHECK_DIGIT)


async def _quota(server: Running) -> str:
    return server.path(COLD, key=(await server.new_key(daily_limit=0)).name)


async def _unavailable(server: Running) -> str:
    for path in list(server.originals.rglob(f"{LOST}-*")):
        shutil.rmtree(path.parent)  # a file alone that is gone was deleted; a folder is on a disk that is
    return server.path(LOST)


async def _busy(server: Running) -> str:
    server.service.renders.taken = 10_000  # until the test's end
    return server.path(COLD)


async def _unknown_key(server: Running) -> str:
    return server.path(key="nosuchkeynosuchkey")


async def _revoked_key(server: Running) -> str:
    return server.path(key=(await server.new_key(revoked_at=1)).name)


async def _bound_key(server: Running) -> str:
    return server.path(key=(await server.new_key(sites=("opac.example.org",))).name)


async def _unknown_size(server: Running) -> str:
    return server.path(size="huge")


async def _malformed(server: Running) -> str:
    return f"/devkey/{server.key.name}/medium/{COVERED}"


async def _elsewhere(server: Running) -> str:
    return "/wp-login.php"


SOFT = {
    "missing": (_missing, 404),
    "invalid": (_invalid, 400),
    "quota": (_quota, 429),
    "pending": (_busy, 503),
    "unavailable": (_unavailable, 503),
}


HARD = {
    "unknown key": (_unknown_key, 403, "key"),
    "revoked key": (_revoked_key, 403, "key"),
    "key of another site": (_bound_key, 403, "key"),
    "unknown size": (_unknown_size, 404, "size"),
    "malformed path": (_malformed, 404, "path"),
    "a path of nothing": (_elsewhere, 404, "path"),
}

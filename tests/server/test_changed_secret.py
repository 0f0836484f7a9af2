"""The administrators' secret is changed while the service runs."""

import asyncio
import re
import signal
from pathlib import Path

from aiohttp import ClientSession
from conftest import COVERED
from forms import Visitor
from running import Serve, data, get, key, serve, workers

__all__ = ["data", "serve"]  # fixtures

CONFIG = '[admin]\ntoken = "{token}"\n[signup]\nmode = "open"\n'
OLD, NEW = "the old secret, long enough", "the new secret, long enough"


async def of_programs(url: str) -> dict[str, int]:
    """What a program with each of the secrets is answered."""
    found = {}
    async with ClientSession() as client:
        for secret in (OLD, NEW):
            headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
            async with client.get(f"{url}/admin", headers=headers) as answer:
                found[secret] = answer.status
    return found


async def token_on(visitor: Visitor, page: str) -> str:
    """The token of a page's form."""
    text = (await visitor.get(page)).body.decode()
    return str(re.findall(r'name="form_token" value="([\w-]+)"', text)[0])


async def test_sighup_changes_the_administrators_secret(serve: Serve, data: Path, tmp_path: Path) -> None:
    """Sessions, open forms and programs of the old secret are out, those of the new one in.

    Keys, the forms of other pages and covers know nothing of it; no secret is in the log.
    """
    file = tmp_path / "c.toml"
    file.write_text(CONFIG.format(token=OLD))
    served = await asyncio.to_thread(serve, "--config", str(file))
    made = await asyncio.to_thread(key, data)
    async with Visitor(None, served.url) as admin, Visitor(None, served.url) as reader:
        assert (await admin.submit("/admin/login", {"token": OLD})).status == 200
        assert await of_programs(served.url) == {OLD: 200, NEW: 401}
        inside, outside = await token_on(admin, "/admin"), await token_on(reader, "/keys")
        old = workers(served)
        await asyncio.to_thread(file.write_text, CONFIG.format(token=NEW))
        served.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(60):
            while workers(served) & old or not workers(served):
                await asyncio.sleep(0.05)

        assert await of_programs(served.url) == {OLD: 401, NEW: 200}
        assert (await admin.get("/admin")).status == 401
        assert (await admin.post("/admin/logout", {"form_token": inside})).status == 401
        assert (await admin.submit("/admin/login", {"token": OLD})).status == 403
        assert (await admin.submit("/admin/login", {"token": NEW})).status == 200
        sent = {"label": "a library", "contact": "a@example.org", "form_token": outside}
        assert (await reader.post("/keys", sent)).status == 200  # a form opened before
    assert (await asyncio.to_thread(get, f"{served.url}/devkey/{made}/medium/isbn/{COVERED}"))[0] == 200
    assert not any(secret in (tmp_path / "log").read_text() for secret in (OLD, NEW))

"""Streams a request body to a temporary file, with limits on bytes and time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiofiles
import aiohttp

from coverproxy.domain.errors import BadQuestion, TooLarge, TooSlow, Unavailable


@asynccontextmanager
async def received(chunks: AsyncIterator[bytes], path: Path, most: int, seconds: float) -> AsyncIterator[int]:
    """Write *chunks* to *path*, on disk when the context begins; yields the number of bytes.

    The file is always removed at the end; if the process is killed, the next start sweeps it. Raises TooLarge
    past *most* bytes, TooSlow after *seconds*, BadQuestion if the client disconnects, Unavailable if the disk
    fails.
    """
    try:
        async with asyncio.timeout(seconds):
            size = await _write(chunks, path, most)
        yield size
    except TimeoutError as exc:
        raise TooSlow(f"the body did not arrive within {seconds:g} seconds") from exc
    except (aiohttp.ClientError, ConnectionError) as exc:
        raise BadQuestion("the body is incomplete") from exc
    except OSError as exc:
        raise Unavailable(f"an upload cannot be stored: {exc.strerror}") from exc
    finally:
        await asyncio.shield(asyncio.to_thread(path.unlink, missing_ok=True))


async def _write(chunks: AsyncIterator[bytes], path: Path, most: int) -> int:
    size = 0
    async with aiofiles.open(path, "xb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise TooLarge(f"the body has more than {most} bytes")
            await file.write(chunk)
        await file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    return size

"""What every object store keeps: see coverproxy/objects/base.py."""

import asyncio
import time

import pytest

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.objects.base import Objects

KEY = "derivatives/isbn/01/02/9780141439495/medium-0a-ff.jpg"


class ObjectsContract:
    """Of a fixture `objects`, which is empty."""

    async def test_comes_back(self, objects: Objects) -> None:
        """What was put is there, by both ways, until it is replaced or deleted."""
        await asyncio.to_thread(objects.put, KEY, b"one")
        assert await asyncio.to_thread(objects.has, KEY)
        await asyncio.to_thread(objects.put, KEY, b"two")
        assert await asyncio.to_thread(objects.get, KEY, 10) == b"two"
        assert await objects.fetch(KEY, 10) == b"two"
        await asyncio.to_thread(objects.delete, [KEY])
        assert await objects.fetch(KEY, 10) is None
        assert not await asyncio.to_thread(objects.has, KEY)

    async def test_what_is_not_there(self, objects: Objects) -> None:
        """A missing object is None, and deleting it does nothing; the store counts as up."""
        assert await asyncio.to_thread(objects.get, KEY, 10) is None
        await asyncio.to_thread(objects.delete, [KEY])
        await asyncio.to_thread(objects.probe)
        assert objects.fault == ""

    async def test_is_bounded(self, objects: Objects) -> None:
        """More bytes than are wanted are not read."""
        await asyncio.to_thread(objects.put, KEY, bytes(11))
        with pytest.raises(StoreUnavailable, match="11 bytes"):
            await objects.fetch(KEY, 10)
        with pytest.raises(StoreUnavailable, match="11 bytes"):
            await asyncio.to_thread(objects.get, KEY, 10)

    async def test_lists_a_folder(self, objects: Objects) -> None:
        """Keys of one folder, at most as many as are wanted, and nothing of a neighbour."""
        for name in ("a/1/x", "a/1/y", "a/2/z", "b/x"):
            await asyncio.to_thread(objects.put, name, b"-")
        assert sorted(await asyncio.to_thread(objects.keys, "a/1/", 10)) == ["a/1/x", "a/1/y"]
        assert len(await asyncio.to_thread(objects.keys, "a/", 2)) == 2
        assert await asyncio.to_thread(objects.keys, "c/", 10) == []
        found = await asyncio.to_thread(lambda: [each for some in objects.portions("a") for each in some])
        assert sorted(each.key for each in found) == ["a/1/x", "a/1/y", "a/2/z"]
        assert all(abs(each.modified - time.time()) < 60 for each in found)
        assert await asyncio.to_thread(lambda: [*objects.portions("c")]) == []

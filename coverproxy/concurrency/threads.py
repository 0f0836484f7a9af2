"""Blocking work in threads of its own, off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def run_in(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Run *work* in one of *threads*, in one hop off the event loop, and return its result."""
    return await asyncio.get_running_loop().run_in_executor(threads, work)

"""Imports of a process that serves: the garbage collector passes over what stays to its end."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_imports() -> Iterator[None]:
    """Import the parts of a service within it.

    Else the collector would look at some 200,000 objects that stay anyway: while they are imported, with each
    full collection while clients wait, and three times when the process ends. A fork shares their memory for
    longer, too.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

"""Programs that some tests need: where one is missing the test skips with a reason, or fails in CI."""

import os
import shutil

import pytest

REQUIRE = "COVERPROXY_REQUIRE_SERVICES"


def program(*names: str, package: str = "") -> str:
    """Return the path of the first of *names* that is installed; *package*: Debian's, if named otherwise."""
    for name in names:
        if found := shutil.which(name):
            return found
    message = f"{names[0]} is not installed (Debian: apt install {package or names[0]})"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(message)
    pytest.skip(message)

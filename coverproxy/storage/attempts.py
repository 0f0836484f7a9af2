"""Steps of which a failed one keeps no other from being taken."""

from collections.abc import Callable, Iterable


def attempt_all(steps: Iterable[Callable[[], object]]) -> None:
    """Run every step, even after a failure; then raise the first OSError, if any."""
    first: OSError | None = None
    for step in steps:
        try:
            step()
        except OSError as exc:
            first = first or exc
    if first is not None:
        raise first

"""A cover as it is counted against a quota."""

from dataclasses import dataclass


@dataclass(slots=True)
class Charge:
    """One cover that is counted. `is_waived`: it was made, but not kept, so its key is not to pay for it."""

    is_waived: bool = False

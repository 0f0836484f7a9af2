"""A cover as it counts against a quota."""

from dataclasses import dataclass


@dataclass(slots=True)
class Charge:
    """One counted cover. `is_waived`: made but not stored, so its key does not pay."""

    is_waived: bool = False

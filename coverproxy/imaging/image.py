"""What we use of a libvips image. pyvips has no types: most methods exist only once they are called."""

from typing import Any, Protocol


class Measures(Protocol):
    """A picture's header, of a libvips image or of a JPEG that libjpeg-turbo may decode."""

    @property
    def width(self) -> int:
        """Its pixels across."""

    @property
    def height(self) -> int:
        """Its pixels down."""

    @property
    def bands(self) -> int:
        """Its numbers a pixel."""

    @property
    def format(self) -> str:
        """The format of each, as libvips names it."""


class Image(Protocol):
    """A picture that libvips computes when its pixels are asked for. Every method may raise pyvips.Error."""

    width: int
    height: int
    bands: int
    format: str
    interpretation: str

    def get(self, name: str) -> Any:
        """Return a field of its metadata."""

    def get_typeof(self, name: str) -> int:
        """Return the type of a field; 0: there is none."""

    def set_type(self, kind: int, name: str, value: object) -> None:
        """Set a field of its metadata."""

    def hasalpha(self) -> bool:
        """Return whether its last band is transparency."""

    def copy(self, **options: object) -> "Image":
        """Return it with other facts about the same pixels."""

    def avg(self) -> float:
        """Return the mean of all its values; this decodes it whole."""

    def bandjoin(self, other: "Image") -> "Image":
        """Return it with the bands of another behind its own."""

    def cast(self, form: str, **options: object) -> "Image":
        """Return it in another number format."""

    def colourspace(self, space: str, **options: object) -> "Image":
        """Return it in another colour space."""

    def crop(self, left: int, top: int, width: int, height: int) -> "Image":
        """Return a part of it."""

    def embed(self, left: int, top: int, width: int, height: int, **options: object) -> "Image":
        """Return it within a larger picture."""

    def extract_band(self, band: int, **options: object) -> "Image":
        """Return some of its bands."""

    def flatten(self, **options: object) -> "Image":
        """Return it without transparency, on a background."""

    def gamma(self, **options: object) -> "Image":
        """Return it with another gamma."""

    def icc_transform(self, profile: str, **options: object) -> "Image":
        """Return it in the colours of a profile."""

    def remove(self, name: str) -> None:
        """Remove a field of its metadata."""

    def resize(self, scale: float, **options: object) -> "Image":
        """Return it larger or smaller."""

    def shrink(self, across: float, down: float, **options: object) -> "Image":
        """Return it smaller, each pixel the mean of those that it stands for."""

    def smartcrop(self, width: int, height: int, **options: object) -> "Image":
        """Return the part of it that draws most attention."""

    def subsample(self, across: int, down: int, **options: object) -> "Image":
        """Return every so manieth pixel."""

    def thumbnail_image(self, width: int, **options: object) -> "Image":
        """Return it scaled into a box."""

    def heifsave_buffer(self, **options: object) -> bytes:
        """Encode it as AVIF."""

    def jpegsave_buffer(self, **options: object) -> bytes:
        """Encode it as JPEG."""

    def webpsave_buffer(self, **options: object) -> bytes:
        """Encode it as WebP."""

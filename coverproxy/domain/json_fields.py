"""The kinds of fields that JSON answers share, as /openapi.json describes them."""

from typing import Annotated

from pydantic import Field

Px = Annotated[int, Field(ge=1, description="Pixels.")]

Moment = Annotated[
    str, Field(description="A moment in UTC (RFC 3339).", json_schema_extra={"format": "date-time"})
]

Day = Annotated[
    str, Field(description="A day of the quota's time zone.", json_schema_extra={"format": "date"})
]

Isbn13 = Annotated[str, Field(pattern="^97[89][0-9]{10}$", description="A canonical ISBN-13.")]

Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="The digest of an original's bytes.")]

Count = Annotated[int, Field(ge=0)]

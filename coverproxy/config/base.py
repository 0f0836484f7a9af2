"""What every table of the config is made of: frozen values that know their keys, and bounded numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A table of the config file: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

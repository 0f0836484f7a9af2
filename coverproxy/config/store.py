"""Where keys, counts and the catalogue are kept: in the data folder, or in a PostgreSQL that nodes share."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from coverproxy.config.base import Seconds, Section


class Store(Section):
    """The database. Without a URL: SQLite, in the data folder."""

    url: str = ""
    listen_url: str = ""
    connections: Annotated[int, Field(ge=2, le=64)] = 4
    keys_valid_seconds: Seconds = 3600.0

    @field_validator("url", "listen_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if url and (urlsplit(url).scheme not in ("postgresql", "postgres") or any(map(str.isspace, url))):
            raise ValueError(
                "is not the URL of a database; expected one like postgresql://user@host/coverproxy"
            )
        return url

    @property
    def is_shared(self) -> bool:
        """Whether several nodes share it."""
        return bool(self.url)

    @property
    def listening(self) -> str:
        """The URL that notices come from: straight from the server, not through a pooler."""
        return self.listen_url or self.url

"""Where keys, counts and the catalogue are kept: in the data folder, or in a PostgreSQL that nodes share."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from coverproxy.config.base import Bytes, Seconds, Section


class Store(Section):
    """The database, and the object store. Without URLs: SQLite and files, in the data folder."""

    url: str = ""
    listen_url: str = ""
    connections: Annotated[int, Field(ge=2, le=64)] = 4
    keys_valid_seconds: Seconds = 3600.0
    objects: str = ""
    objects_endpoint: str = ""
    objects_options: dict[str, str] = Field(default={})
    objects_timeout_seconds: Seconds = 2.0
    local_originals_bytes: Annotated[Bytes, Field(ge=0)] = 0
    removed_originals_days: Annotated[float, Field(ge=0, le=3650)] = 0.0

    @field_validator("objects")
    @classmethod
    def _is_object_store(cls, url: str) -> str:
        parts = urlsplit(url)
        is_valid = bool(parts.netloc) if parts.scheme in ("s3", "gs", "az") else parts.scheme == "file"
        is_path = parts.scheme != "file" or (not parts.netloc and len(parts.path) > 1)
        if url and not (is_valid and is_path and url.isascii() and " " not in url and not parts.query):
            raise ValueError(
                "is not the URL of an object store; expected one like s3://bucket/prefix, "
                "gs://bucket/prefix, az://container/prefix or file:///folder"
            )
        return url

    @field_validator("objects_endpoint")
    @classmethod
    def _is_endpoint(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("is not a URL; expected one like https://minio.example.org")
        return url

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

"""Published files, as sources declare them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RemoteFile(BaseModel):
    """A published file that a source reads, and where it goes.

    base: the part of its address that a mirror replaces, https; name: the rest of the address.
    path: its place in the folder with the raw files, the name alone.
    checksum: as published: `md5:…` or `sha256:…` and hexadecimal digits; None where none is published.
    size: bytes, for when the server does not say; unpack: the wanted members of a zip, put beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str = Field(pattern=r"^https://[^?#]+[^/?#]$")
    name: str = Field(pattern=r"^[^/?#][^?#]*$")
    path: str = Field(pattern=r"^[^./\\][^/\\]*$")
    checksum: str | None = Field(None, pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
    size: int | None = Field(None, ge=0)
    unpack: tuple[str, ...] = ()

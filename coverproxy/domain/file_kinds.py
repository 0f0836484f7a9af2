"""Describes a file that is not a supported picture, in words for people."""

import re

_MAGIC = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"BM", "BMP"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\x00\x00\x02\x00", "a cursor (CUR)"),
    (b"8BPS", "a Photoshop file (PSD)"),
    (b"gimp xcf", "a GIMP file (XCF)"),
    (b"II+\x00", "a BigTIFF"),
    (b"MM\x00+", "a BigTIFF"),
    (b"AT&TFORM", "DjVu"),
    (b"\x1f\x8b", "a file compressed with gzip"),
    (b"BZh", "a file compressed with bzip2"),
    (b"\xfd7zXZ\x00", "a file compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "a file compressed with Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"PK\x03\x04", "a ZIP archive (an EPUB, a workbook or another document may be one)"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"RIFF", "a RIFF file, but not WebP"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not downloaded"),
)

_TEXT = re.compile(rb"(?:\xef\xbb\xbf)?\s*", re.DOTALL)
_COMMENT = re.compile(rb"(?:<!--.*?-->|<\?xml.*?\?>)\s*", re.DOTALL)
_MARKUP = (
    (re.compile(rb"<!doctype html|<html|<head|<body|<title|<script|<div|<p>", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"<!doctype svg|<svg", re.IGNORECASE), "an SVG drawing"),
    (re.compile(rb"<[a-z!?]", re.IGNORECASE), "an XML document"),
    (re.compile(rb"[\[{]\s*[\"\]}\[{]"), "a JSON document"),
)

HEAD_BYTES = 512
"""Bytes at the start of a file that describe() needs."""


def described(head: bytes) -> str:
    """Describe a file by its first HEAD_BYTES, for example "an HTML page"."""
    if not head:
        return "an empty file"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "a video, or a HEIF picture of a kind that is not known"
    return _written(head[:HEAD_BYTES])


def _written(head: bytes) -> str:
    """Describe a text file, or name it unknown."""
    start = _TEXT.match(head)
    text = head[start.end() :] if start else head
    if text.startswith(b"<"):
        text = _COMMENT.sub(b"", text)
    for pattern, name in _MARKUP:
        if pattern.match(text):
            return name
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "a text"
    return "an unknown kind of file" if any(head) else "a file of zeros"


def refusal(head: bytes) -> str:
    """Return the message for a file that no loader reads: its kind, and the supported formats."""
    return f"{described(head)} is not supported; JPEG, PNG, WebP, GIF, TIFF and AVIF are"

"""Describes a file that is not a supported picture, in words for people."""

import re

NAMES = {
    "apple": "data of macOS beside a file (AppleDouble), not the file itself",
    "base64": "a picture written as base64 text",
    "behind": "a picture with other bytes before it",
    "bigtiff": "a BigTIFF",
    "bmp": "BMP",
    "bzip2": "a file compressed with bzip2",
    "cur": "a cursor (CUR)",
    "djvu": "DjVu",
    "empty": "an empty file",
    "gzip": "a file compressed with gzip",
    "heif": "a video, or a HEIF picture of a kind that is not known",
    "html": "an HTML page",
    "ico": "an icon (ICO)",
    "jp2": "JPEG 2000",
    "json": "a JSON document",
    "jxl": "JPEG XL",
    "jxr": "JPEG XR",
    "lfs": "a Git LFS pointer: the file itself was not downloaded",
    "office": "a document of an older Office, or Windows' Thumbs.db",
    "pdf": "a PDF",
    "png": "a PNG whose first bytes were changed on the way, as a transfer in text mode does",
    "pnm": "a Netpbm picture (PPM, PGM or PBM)",
    "postscript": "a PostScript file",
    "program": "a program",
    "psd": "a Photoshop file (PSD)",
    "rar": "a RAR archive",
    "riff": "a RIFF file, but not WebP",
    "sevenzip": "a 7-Zip archive",
    "sound": "a sound file",
    "sqlite": "an SQLite database",
    "svg": "an SVG drawing",
    "text": "a text",
    "unknown": "an unknown kind of file",
    "wmf": "a Windows metafile (WMF)",
    "xcf": "a GIMP file (XCF)",
    "xml": "an XML document",
    "xz": "a file compressed with xz",
    "zeros": "a file of zeros",
    "zip": "a ZIP archive (an EPUB, a workbook or another document may be one)",
    "zstd": "a file compressed with Zstandard",
}
"""The kinds of files, in English. Pages have them in each language."""

_MAGIC = (
    (b"%PDF", "pdf"), (b"%!PS", "postscript"), (b"\xc5\xd0\xd3\xc6", "postscript"),
    (b"\xff\x0a", "jxl"), (b"\x00\x00\x00\x0cJXL ", "jxl"),
    (b"\x00\x00\x00\x0cjP  ", "jp2"), (b"\xff\x4f\xff\x51", "jp2"), (b"II\xbc", "jxr"),
    (b"\x89PNG", "png"), (b"BM", "bmp"), (b"\x00\x00\x01\x00", "ico"), (b"\x00\x00\x02\x00", "cur"),
    (b"8BPS", "psd"), (b"gimp xcf", "xcf"), (b"II+\x00", "bigtiff"), (b"MM\x00+", "bigtiff"),
    (b"AT&TFORM", "djvu"), (b"\xd7\xcd\xc6\x9a", "wmf"),
    (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "sevenzip"), (b"Rar!", "rar"), (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"), (b"\x00\x05\x16\x07", "apple"),
    (b"SQLite format 3", "sqlite"), (b"\x7fELF", "program"), (b"MZ", "program"),
    (b"ID3", "sound"), (b"OggS", "sound"), (b"fLaC", "sound"), (b"RIFF", "riff"),
    (b"version https://git-lfs", "lfs"), (b"data:image/", "base64"), (b"/9j/", "base64"),
    (b"iVBORw0KGgo", "base64"),
)  # fmt: skip

_PICTURE = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n", re.DOTALL)
_PNM = re.compile(rb"P[1-7][\s#]")
_TEXT = re.compile(rb"(?:\xef\xbb\xbf)?\s*", re.DOTALL)
_COMMENT = re.compile(rb"(?:<!--.*?-->|<\?xml.*?\?>)\s*", re.DOTALL)
_MARKUP = (
    (re.compile(rb"<!doctype html|<html|<head|<body|<title|<script|<div|<p>", re.IGNORECASE), "html"),
    (re.compile(rb"<!doctype svg|<svg", re.IGNORECASE), "svg"),
    (re.compile(rb"<[a-z!?]", re.IGNORECASE), "xml"),
    (re.compile(rb"[\[{]\s*[\"\]}\[{]"), "json"),
)

HEAD_BYTES = 512
"""Bytes at the start of a file that kind_of() needs."""


def kind_of(head: bytes) -> str:
    """Return the kind of a file, a name of NAMES, by its first HEAD_BYTES."""
    if not head:
        return "empty"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "heif"
    if _PNM.match(head):
        return "pnm"
    return _written(head[:HEAD_BYTES])


def described(head: bytes) -> str:
    """Describe a file by its first HEAD_BYTES, for example "an HTML page"."""
    return NAMES[kind_of(head)]


def _written(head: bytes) -> str:
    """Return the kind of a text file, or say that it is unknown."""
    start = _TEXT.match(head)
    text = head[start.end() :] if start else head
    if text.startswith(b"<"):
        text = _COMMENT.sub(b"", text)
    if _PICTURE.search(head):
        return "behind"
    for pattern, name in _MARKUP:
        if pattern.match(text):
            return name
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "text"
    return "unknown" if any(head) else "zeros"


def refusal(head: bytes) -> str:
    """Return the message for a file that no loader reads: its kind, and the supported formats."""
    return f"{described(head)} is not supported; JPEG, PNG, WebP, GIF, TIFF and AVIF are"

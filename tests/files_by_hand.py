"""Files that no library writes: TIFFs, PNGs and AVIFs put together by hand, byte by byte."""

import struct
import zlib
from typing import Any

import numpy as np


def tiff(
    *pages: Any,
    order: str = "<",
    photometric: int = 2,
    extra: tuple[int, ...] | None = None,
    subfiles: tuple[int, ...] = (),
) -> bytes:
    """A TIFF of uncompressed 8-bit pages (rows, columns, bands), one strip each; `extra`: ExtraSamples."""
    body = {"<": b"II*\0", ">": b"MM\0*"}[order] + bytes(4)
    link = 4
    for number, page in enumerate(pages):
        height, width, bands = page.shape
        strip, body = len(body), body + page.astype(np.uint8).tobytes()
        body += bytes(len(body) % 2)
        bits, body = len(body), body + struct.pack(f"{order}{bands}H", *[8] * bands) + bytes(8)
        entries = [(256, 4, width), (257, 4, height), (259, 3, 1), (262, 3, photometric), (273, 4, strip)]
        entries += [(277, 3, bands), (278, 4, height), (279, 4, width * height * bands), (284, 3, 1)]
        if subfiles:
            entries.append((254, 4, subfiles[number]))
        packed = [_entry(order, *entry) for entry in entries]
        packed.append(_many(order, 258, bits, bands, 8))
        if extra is not None:
            kinds, body = len(body), body + struct.pack(f"{order}{len(extra)}H", *extra) + bytes(8)
            packed.append(_many(order, 338, kinds, len(extra), extra[0]))
        packed.sort(key=lambda entry: struct.unpack(f"{order}H", entry[:2]))
        body += bytes(len(body) % 2)
        body = body[:link] + struct.pack(f"{order}I", len(body)) + body[link + 4 :]
        body += struct.pack(f"{order}H", len(packed)) + b"".join(packed)
        link, body = len(body), body + bytes(4)
    return body


def _entry(order: str, tag: int, kind: int, value: int) -> bytes:
    content = struct.pack(f"{order}I", value) if kind == 4 else struct.pack(f"{order}HH", value, 0)
    return struct.pack(f"{order}HHI", tag, kind, 1) + content


def _many(order: str, tag: int, place: int, count: int, only: int) -> bytes:
    if count == 1:
        return _entry(order, tag, 3, only)
    if count == 2:  # they stand in the entry itself
        return struct.pack(f"{order}HHIHH", tag, 3, 2, only, only)
    return struct.pack(f"{order}HHII", tag, 3, count, place)


def with_tag(body: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF whose first page has another SHORT in that tag."""
    start = struct.unpack_from("<I", body, 4)[0]
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", body, start)[0], 12):
        if struct.unpack_from("<H", body, at)[0] == tag:
            return body[: at + 8] + struct.pack("<H", value) + body[at + 10 :]
    raise ValueError(tag)


def chunk(name: bytes, content: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunks(body: bytes, *chunks: bytes) -> bytes:
    """A PNG with these chunks behind its header."""
    return body[:33] + b"".join(chunks) + body[33:]


def boxes(body: bytes) -> dict[bytes, bytes]:
    """The boxes of ISO/IEC 14496-12 in *body*, the last of each name."""
    found, at = {}, 0
    while at + 8 <= len(body):
        length = struct.unpack_from(">I", body, at)[0]
        found[body[at + 4 : at + 8]] = body[at + 8 : at + length]
        at += length
    return found


def box(name: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I", len(content) + 8) + name + content


def avif_of(*pictures: Any, primary: int) -> bytes:
    """An AVIF of several pictures; *primary*: which of them, from 0, is the one to be shown."""
    files = [each.heifsave_buffer(compression="av1", Q=80, effort=0, keep="none") for each in pictures]
    properties, links, payloads = b"", b"", []
    for number, file in enumerate(files):
        container = boxes(boxes(boxes(file)[b"meta"][4:])[b"iprp"])[b"ipco"]
        own = boxes(container)
        properties += box(b"ispe", own[b"ispe"]) + box(b"av1C", own[b"av1C"])
        links += struct.pack(">HBBB", number + 1, 2, 2 * number + 1, 0x80 | (2 * number + 2))
        payloads.append(boxes(file)[b"mdat"])
    numbers = range(1, len(files) + 1)
    infos = b"".join(box(b"infe", b"\2\0\0\0", struct.pack(">HH", each, 0), b"av01\0") for each in numbers)
    count = struct.pack(">H", len(files))
    head = box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")

    def meta(start: int) -> bytes:
        places, at = b"", start
        for number, payload in enumerate(payloads):
            places += struct.pack(">HHHII", number + 1, 0, 1, at, len(payload))
            at += len(payload)
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), struct.pack(">H", primary + 1)),
            box(b"iloc", bytes(4), b"\x44\x00", count, places),
            box(b"iinf", bytes(4), count, infos),
            box(b"iprp", box(b"ipco", properties), box(b"ipma", bytes(6), count, links)),
        )

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *payloads)

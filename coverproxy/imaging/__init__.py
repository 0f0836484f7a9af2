"""Bytes in, bytes out: decoding, scaling, encoding, and what keeps a bad picture from doing harm."""

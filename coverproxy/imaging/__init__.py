"""Bytes in, bytes out: decode, scale, encode, and the guards against bad pictures."""

"""Feeds: ONIX, MARC, zips and dumps, parsed into plain records. Stores nothing."""

"""Feeds: ONIX, MARC, zips and dumps, read into plain records; nothing is stored here."""

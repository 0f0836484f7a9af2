"""Waiting times for covers that are not here yet."""

JSON_SECONDS = 2.8
"""How long JSON answers wait for the sources: clients cache a "none" for a day (Coce).

Evergreen gives up after three seconds as it is configured (opensrf.xml.example), and counts that as an error.
"""

"""Waiting times for covers that are not here yet."""

JSON_SECONDS = 3.0
"""How long JSON answers wait for the sources: clients cache a "none" for a day (Coce)."""

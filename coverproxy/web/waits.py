"""How long a client waits for a cover that is not here yet."""

JSON_SECONDS = 3.0
"""What answers in JSON waits for the sources: clients keep a "none" of theirs for a day (Coce)."""

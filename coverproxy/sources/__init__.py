"""Sources: where originals come from that are not here yet, and what each answers."""

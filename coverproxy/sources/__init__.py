"""Sources of originals that are not stored here yet, and their answers."""

"""Values that everything else speaks of: identifiers, specs, formats, errors; no I/O."""

"""Values that every package shares: identifiers, specs, formats, errors. No I/O."""

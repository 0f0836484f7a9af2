"""Single flight, file locks, background work and process pools, whatever runs in them."""

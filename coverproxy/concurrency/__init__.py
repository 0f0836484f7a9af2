"""Single flight, file locks, background tasks and process pools. Generic: they know nothing of covers."""

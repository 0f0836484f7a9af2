"""The URL shapes that the service answers, a module each."""

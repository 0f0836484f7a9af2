"""The covers that a first look at the service shows, drawn by the project itself."""

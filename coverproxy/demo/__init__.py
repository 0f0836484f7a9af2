"""The demonstration's covers, drawn by the project itself."""

"""Processes: the supervisor, its workers, sockets and the word to systemd."""

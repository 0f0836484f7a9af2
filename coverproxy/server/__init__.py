"""Processes: the supervisor, its workers, sockets, and readiness for systemd."""

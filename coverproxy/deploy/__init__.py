"""Files that an installation needs besides the service: nginx's and systemd's configuration."""

"""What an installation needs around the service: a web server's and a service manager's configuration."""

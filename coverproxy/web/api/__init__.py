"""The description of the HTTP API: addresses, schemas, OpenAPI."""

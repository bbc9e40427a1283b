"""Django's PostgreSQL backend with a health check that asks the connection, not the server."""

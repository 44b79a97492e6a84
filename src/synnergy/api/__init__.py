"""The node over HTTP: `server.serve` runs it, `app.create_app` is the ASGI application."""

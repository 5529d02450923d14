"""The HTTP server: `promptseg serve`, or `create_app(Settings(...))` in any ASGI server. See docs/server.md."""

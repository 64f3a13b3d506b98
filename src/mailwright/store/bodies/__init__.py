"""Where bodies are kept: a directory of one machine, or PostgreSQL for several. The port is `files.body_store`."""

"""Messages to bytes. Nothing here opens a socket or reads a clock."""

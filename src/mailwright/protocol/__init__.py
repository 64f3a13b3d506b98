"""Conversations without input and output: bytes in, decisions and bytes out."""

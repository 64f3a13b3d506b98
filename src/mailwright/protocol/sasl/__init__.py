"""Signing in (RFC 4422), both sides of it."""

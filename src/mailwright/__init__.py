"""Mailwright."""

"""The development mail server: catches every mail and fails on request."""

"""The shapes of the HTTP API, and how they become the nouns of `model`."""

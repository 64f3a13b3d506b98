"""The nouns of Mailwright as frozen types. They hold, compare and validate; they open, read and send nothing."""

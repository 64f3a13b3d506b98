"""The header Content-Type, as far as an API reads it."""


def media_type(given: bytes) -> str:
    """Its name in small letters; empty when it is of another character set than UTF-8."""
    name, _, parameters = given.decode("latin-1").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    return name.strip() if charset in ("", "charset=utf-8") else ""

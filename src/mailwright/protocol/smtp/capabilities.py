"""What a server says it can do (RFC 5321 section 4.1.1.1, ehlo-line)."""

from dataclasses import dataclass
from functools import cached_property

from mailwright.reply import Reply


@dataclass(frozen=True)
class Capabilities:
    """The EHLO answer. `keywords` maps each keyword, upper case, to its parameters as they stand."""

    domain: str = ""
    keywords: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_reply(cls, reply: Reply) -> "Capabilities":
        first, *rest = reply.text.split("\n")
        keywords = []
        for line in rest:
            # QUIRK auth_with_equals: some servers write both forms, for clients of another century.
            name, _, parameters = line.strip().replace("AUTH=", "AUTH ", 1).partition(" ")
            if name:
                keywords.append((name.upper(), parameters.strip()))
        return cls(first.partition(" ")[0], tuple(keywords))

    def offers(self, keyword: str) -> bool:
        return any(name == keyword for name, _ in self.keywords)

    @cached_property
    def pipelining(self) -> bool:
        return self.offers("PIPELINING")

    @cached_property
    def chunking(self) -> bool:
        return self.offers("CHUNKING")

    @cached_property
    def eight_bit(self) -> bool:
        return self.offers("8BITMIME")

    @cached_property
    def utf8(self) -> bool:
        return self.offers("SMTPUTF8")

    @cached_property
    def dsn(self) -> bool:
        return self.offers("DSN")

    @cached_property
    def starttls(self) -> bool:
        return self.offers("STARTTLS")

    @cached_property
    def announces_size(self) -> bool:
        return self.offers("SIZE")

    @cached_property
    def max_size(self) -> int:
        """The biggest message taken (RFC 1870 section 4); 0 when the server names no limit."""
        for name, parameters in self.keywords:
            # RFC 1870 section 4: at most 20 digits; more would only be there to be counted.
            if name == "SIZE" and parameters.isascii() and parameters.isdigit() and len(parameters) <= 20:
                return int(parameters)
        return 0

    @cached_property
    def auth_mechanisms(self) -> tuple[str, ...]:
        found = (word for name, words in self.keywords if name == "AUTH" for word in words.upper().split())
        return tuple(dict.fromkeys(found))

"""What may be asked of the servers on the way."""

import pytest

from mailwright.errors import InvalidInput
from mailwright.model.delivery import DsnNotify, DsnOptions, DsnReturn
from mailwright.protocol.smtp.commands import xtext


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"notify": (DsnNotify.NEVER, DsnNotify.FAILURE)}, "notify"),
        ({"notify": (DsnNotify.SUCCESS, DsnNotify.NEVER)}, "notify"),
        ({"notify": ("SUCCESS ORCPT=x",)}, "notify"),
        ({"notify": "NEVER"}, "notify"),
        ({"returns": "FULL ENVID=x"}, "returns"),
        ({"envelope_id": "a\r\nb"}, "envelope_id"),
        ({"envelope_id": "a\n"}, "envelope_id"),
        ({"envelope_id": "a\tb"}, "envelope_id"),
        ({"envelope_id": "ä"}, "envelope_id"),
        ({"envelope_id": "\ud800"}, "envelope_id"),
        ({"envelope_id": "x" * 101}, "envelope_id"),
        ({"envelope_id": "+" * 34}, "envelope_id"),
    ],
)
def test_a_request_that_a_server_would_refuse_is_refused_here(options: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        DsnOptions(**options)  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize("envelope_id", ["", "x" * 100, "+ =" * 11 + "x", "a%0d%0ab", "~!<>;"])
def test_an_envelope_id_of_100_characters_on_the_wire_is_taken(envelope_id: str) -> None:
    assert len(xtext(DsnOptions(envelope_id=envelope_id).envelope_id)) <= 100


def test_words_become_what_they_mean_each_once() -> None:
    options = DsnOptions(("FAILURE", "DELAY", "FAILURE"), "HDRS")  # type: ignore[arg-type]
    assert options == DsnOptions((DsnNotify.FAILURE, DsnNotify.DELAY), DsnReturn.HEADERS)
    assert DsnOptions((DsnNotify.NEVER,)).notify == (DsnNotify.NEVER,)

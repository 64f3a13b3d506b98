"""Who gets mail while a workspace is in safe mode."""

from mailwright.model.address_syntax import parse_address
from mailwright.model.outbox import RecipientState
from mailwright.model.workspace import SafeMode
from mailwright.sending.safe_mode import recipients_for

ANN, BOB = parse_address("Ann@Example.org"), parse_address("bob@customer.example")


def spread(safe_mode: SafeMode):
    return [(who.address, who.state) for who in recipients_for([ANN, BOB], safe_mode)]


def test_without_safe_mode_everybody_gets_it():
    waiting = RecipientState.WAITING
    assert spread(SafeMode()) == [("Ann@example.org", waiting), ("bob@customer.example", waiting)]


def test_everything_is_redirected_once():
    assert spread(SafeMode(redirect_to="catch@example.org")) == [("catch@example.org", RecipientState.WAITING)]


def test_an_allow_list_keeps_the_others_visible():
    states = dict(spread(SafeMode(allow=("@example.org",))))
    assert states == {
        "Ann@example.org": RecipientState.WAITING,
        "bob@customer.example": RecipientState.SUPPRESSED,
    }


def test_a_domain_is_not_allowed_by_its_ending():
    safe = SafeMode(allow=("tomer.example",))
    assert dict(spread(safe))["bob@customer.example"] is RecipientState.SUPPRESSED


def test_those_that_are_not_allowed_are_redirected_where_both_are_set():
    safe = SafeMode(redirect_to="catch@example.org", allow=("ann@example.org",))
    assert [who for who, _ in spread(safe)] == ["Ann@example.org", "catch@example.org"]

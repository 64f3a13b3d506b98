import base64
import os
from datetime import UTC, datetime
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mailwright.errors import UnsealError
from mailwright.store.keyring import Keyring, open_keyring
from mailwright.store.sealed import key_id_of, seal, unseal

CONTENT = b"the content that no error may show"


def keyring_of(*names: str) -> Keyring:
    text = ",".join(f"{name}:{base64.b64encode(name.encode() * 32)[:43].decode()}=" for name in names)
    return open_keyring(Path("/nonexistent"), now=datetime.now(UTC), keys=text)


KEYS = keyring_of("k")


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_was_sealed_for_a_place_opens_there(plaintext, place):
    assert unseal(KEYS, seal(KEYS, plaintext, place=place), place=place) == plaintext


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_value_that_was_moved_to_another_place_does_not_open(place, other):
    sealed = seal(KEYS, CONTENT, place=place)
    if place != other:
        with pytest.raises(UnsealError):
            unseal(KEYS, sealed, place=other)


def test_any_changed_bit_is_noticed_and_the_error_shows_no_content():
    sealed = seal(KEYS, CONTENT, place="account/1/secrets")
    for position in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[position] ^= 1 << bit
            with pytest.raises(UnsealError) as caught:
                unseal(KEYS, bytes(changed), place="account/1/secrets")
            assert "content" not in str(caught.value)


def test_a_value_cut_off_anywhere_is_noticed():
    sealed = seal(KEYS, CONTENT, place="p")
    for length in range(len(sealed)):
        with pytest.raises(UnsealError):
            unseal(KEYS, sealed[:length], place="p")


def test_the_same_value_is_never_sealed_to_the_same_bytes():
    assert len({seal(KEYS, CONTENT, place="p") for _ in range(1000)}) == 1000


def test_nothing_of_the_content_is_in_the_sealed_bytes():
    assert b"content" not in seal(KEYS, CONTENT, place="p")


def test_a_value_of_a_key_that_is_not_here_names_the_key():
    sealed = seal(keyring_of("gone"), CONTENT, place="p")
    with pytest.raises(UnsealError, match="key 'gone', which is not here") as caught:
        unseal(KEYS, sealed, place="p")
    assert caught.value.code == "unseal_failed"


def test_a_value_under_one_key_does_not_pass_for_one_under_another():
    keys = keyring_of("a", "b")
    sealed = bytearray(seal(keys, CONTENT, place="p"))
    assert key_id_of(sealed) == "b"
    sealed[2:3] = b"a"
    with pytest.raises(UnsealError):
        unseal(keys, bytes(sealed), place="p")


def test_the_key_of_a_value_shows_in_its_first_bytes():
    long_id = "k" * 32
    keys = open_keyring(
        Path("/nonexistent"), now=datetime.now(UTC), keys=f"{long_id}:{base64.b64encode(os.urandom(32)).decode()}"
    )
    assert key_id_of(seal(keys, CONTENT, place="p")[:34]) == long_id


@pytest.mark.parametrize("wild", [b"", b"\x01", b"\x02" + b"x" * 60, b"{}", b"\x01\x02\xff\xff" + b"x" * 60])
def test_bytes_that_were_never_sealed_are_told_as_such(wild):
    with pytest.raises(UnsealError):
        unseal(KEYS, wild, place="p")

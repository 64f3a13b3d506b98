"""Reading from segments, by several threads at once."""

import os
import threading
from collections import OrderedDict
from pathlib import Path

from mailwright.errors import BodyUnreadable
from mailwright.store.bodies.segment import SUFFIX, read_ref, unpack
from mailwright.store.keyring import Keyring

#: far below the usual limit of 1024 for everything that a process has open
_KEPT_OPEN = 64


class _Descriptor:
    """Closed when the last thread that reads from it lets go: the cache may drop it at any moment."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        # Not there when opening failed.
        if hasattr(self, "number"):
            os.close(self.number)


class Reader:
    def __init__(self, directory: Path, keyring: Keyring) -> None:
        self._directory = directory
        self._keyring = keyring
        self._lock = threading.Lock()
        self._descriptors: OrderedDict[str, _Descriptor] = OrderedDict()

    def read(self, body_id: str, text: str) -> bytes:
        ref = read_ref(text)
        try:
            descriptor = self._descriptor(ref.segment)
            record = os.pread(descriptor.number, ref.length, ref.offset)
        except FileNotFoundError:
            raise BodyUnreadable(f"the body of {body_id} is gone, with its segment {ref.segment}") from None
        except OSError as error:
            raise BodyUnreadable(f"the body of {body_id} at {text}: {error.strerror}") from error
        return unpack(self._keyring, body_id, text, record)

    def try_read(self, body_id: str, text: str) -> bytes | BodyUnreadable:
        try:
            return self.read(body_id, text)
        except BodyUnreadable as error:
            return error

    def close(self) -> None:
        with self._lock:
            self._descriptors.clear()

    def _descriptor(self, segment: str) -> _Descriptor:
        with self._lock:
            found = self._descriptors.get(segment)
            if found is None:
                found = _Descriptor(self._directory / (segment + SUFFIX))
                self._forget_removed()
                self._descriptors[segment] = found
                if len(self._descriptors) > _KEPT_OPEN:
                    self._descriptors.popitem(last=False)
            else:
                self._descriptors.move_to_end(segment)
            return found

    def _forget_removed(self) -> None:
        """A sweep, here or in another process, may have removed the file; a descriptor keeps its space from others."""
        for segment in [name for name, kept in self._descriptors.items() if not os.fstat(kept.number).st_nlink]:
            del self._descriptors[segment]

"""Texts on their way between the host and a guest."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from wasmtime import _ffi
from wasmtime.component import String

from store.change_set import SEPARATOR

if TYPE_CHECKING:
    from wasmtime._ffi import wasmtime_component_val_t


_memchr = ctypes.CDLL(None).memchr
_memchr.restype = ctypes.c_void_p
_memchr.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
_TOLD = ord(SEPARATOR)


class TextTooLongError(Exception):
    """A guest's text is longer than there is a use for. Of what it says only `beginning` is known."""

    def __init__(self, size: int, beginning: str) -> None:
        super().__init__(f"a text of {size} bytes")
        self.size = size
        self.beginning = beginning


class Text(String):
    """A text on its way to a guest or back, copied once.

    wasmtime-py's own makes an array type of ctypes for each length, which takes three times as long as the
    rest if the length is a new one. And it makes a Python text of whatever a guest gives: here of no more
    than `most_bytes`, which whoever calls sets before; and `told_bytes` more where within those there is
    U+001F, behind which stands what a request has written.
    """

    def __init__(self) -> None:
        self.most_bytes = 0
        self.told_bytes = 0
        #: What is read of a text that is longer.
        self.beginning_bytes = 0

    def convert_to_c(self, _store: object, val: str, ptr: ctypes._Pointer[Any]) -> None:
        self.write(val, ptr)

    @staticmethod
    def write(val: str, ptr: ctypes._Pointer[Any]) -> None:
        """Put a text where native code looks for it."""
        data, value = val.encode(), ptr.contents
        value.kind = _ffi.WASMTIME_COMPONENT_STRING
        _ffi.wasm_byte_vec_new_uninitialized(ctypes.byref(value.of.string), len(data))
        ctypes.memmove(value.of.string.data, data, len(data))

    def convert_from_c(self, c: wasmtime_component_val_t) -> str:
        """Raises TextTooLongError, before anything is made of the text."""
        text = c.of.string
        try:
            if text.size <= self.most_bytes or self._tells(text):
                return ctypes.string_at(text.data, text.size).decode()
            beginning = ctypes.string_at(text.data, min(text.size, self.beginning_bytes))
            raise TextTooLongError(text.size, beginning.decode("utf-8", "ignore"))
        finally:
            _ffi.wasm_byte_vec_delete(ctypes.byref(text))

    def _tells(self, text: Any) -> bool:
        """Whether what is too long about a text is what it tells of changes."""
        start = ctypes.cast(text.data, ctypes.c_void_p).value or 0
        place = _memchr(start, _TOLD, min(text.size, self.most_bytes))
        return place is not None and start + text.size - place - 1 <= self.told_bytes

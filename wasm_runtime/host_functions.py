"""What a guest may call in the host, beside WASI: one function.

A call comes out of native code, with arguments that only a guest's good will keeps small. So:

1. Lengths are looked at in native memory, before a Python text is made of an argument.
2. Nothing is raised. In Wasmtime an exception of a host function closes the whole store, as a trap does, and
   wasmtime-py raises it out of the call of the guest as whatever it is.
3. What fails is noted: the guest hears the empty answer, and whatever it makes of that, its run is over.
"""

from __future__ import annotations

import ctypes
import hashlib
from typing import TYPE_CHECKING, Any

from attrs import define, field
from wasmtime import _ffi

from wasm_runtime.texts import Text

if TYPE_CHECKING:
    from wasmtime.component import LinkerInstance

#: scrypt with N=2^14, r=8, p=1, RFC 7914's own figures for logins: about 40 ms and 16 MiB a call.
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32, "maxmem": 32 * 1024 * 1024}
#: Key derivations in one run: it is host time, which fuel does not count.
MAX_DERIVATIONS = 4
_MAX_SECRET = 1_024
_MAX_SALT = 128
#: In UTF-8, one character takes so many bytes at most.
_BYTES = 4

_finalizer = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _data: None)


@define
class KeyDerivation:
    """`derive-key`: scrypt, a few times a run."""

    _left: int = 0
    #: What has gone wrong in the present run, "" if nothing has.
    failure: str = ""
    #: Native code calls it for as long as the linker lives.
    _callback: Any = field(default=None, repr=False)

    def arm(self) -> None:
        """A run begins."""
        self._left = MAX_DERIVATIONS
        self.failure = ""

    def define_in(self, root: LinkerInstance, name: str = "derive-key") -> None:
        self._callback = _ffi.wasmtime_component_func_callback_t(self._answer)
        encoded = name.encode()
        _ffi.wasmtime_component_linker_instance_add_func(
            root.ptr(), ctypes.create_string_buffer(encoded), len(encoded), self._callback, None, _finalizer
        )

    def _answer(
        self, _data: Any, _context: Any, _type: Any, args: Any, count: int, results: Any, _wanted: int
    ) -> int:
        """Called by native code. 0: no error."""
        text = ""
        try:
            given = [args[place].of.string for place in range(count)]
            if given[0].size <= _BYTES * _MAX_SECRET and given[1].size <= _BYTES * _MAX_SALT:
                secret, salt = [ctypes.string_at(each.data, each.size).decode() for each in given]
                text = self.derive(secret, salt)
            for each in given:
                _ffi.wasm_byte_vec_delete(ctypes.byref(each))
        except BaseException as error:  # noqa: BLE001  see above
            self.failure = type(error).__name__
            text = ""
        Text.write(text, results)
        return 0

    def derive(self, secret: str, salt: str) -> str:
        """The key in hex, "" when a run has asked too often or for too much.

        Raises MemoryError or ValueError where there is no memory for it.
        """
        if self._left <= 0 or len(secret) > _MAX_SECRET or len(salt) > _MAX_SALT:
            return ""
        self._left -= 1
        return hashlib.scrypt(secret.encode(), salt=salt.encode(), **_SCRYPT).hex()

"""Wasmtime, set up once per worker: engine, precompiled component, and what a guest may import.

A guest imports WASI and one function of ours. It has no network (none is granted), no environment, no
arguments, no standard input; what it writes to standard output goes nowhere.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from typing import TYPE_CHECKING, Any

from wasmtime import Config, Engine, Store, WasiConfig, _ffi
from wasmtime.component import Component, ExportIndex, FuncType, Instance, Linker, String, ValType

from wasm_runtime.clock import TICK_MS, Clock
from wasm_runtime.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: scrypt with N=2^14, r=8, p=1, RFC 7914's own figures for logins: about 40 ms and 16 MiB a call.
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
#: Key derivations in one run: it is host time, which fuel does not count.
MAX_DERIVATIONS = 4


def _config(limits: Limits) -> Config:
    config = Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.max_wasm_stack = limits.stack_bytes
    return config


def precompile(component: bytes, limits: Limits | None = None) -> bytearray:
    """Native code for this machine from a component. Takes seconds and all cores."""
    return Component(Engine(_config(limits or Limits())), component).serialize()


class _Text(String):
    """A text on its way to a guest or back, copied once.

    wasmtime-py's own makes an array type of ctypes for each length, which takes three times as long as the
    rest if the length is a new one.
    """

    def convert_to_c(self, _store: object, val: str, ptr: ctypes._Pointer[Any]) -> None:
        data, value = val.encode(), ptr.contents
        value.kind = _ffi.WASMTIME_COMPONENT_STRING
        _ffi.wasm_byte_vec_new_uninitialized(ctypes.byref(value.of.string), len(data))
        ctypes.memmove(value.of.string.data, data, len(data))

    def convert_from_c(self, c: _ffi.wasmtime_component_val_t) -> str:
        text = c.of.string
        try:
            return ctypes.string_at(text.data, text.size).decode()
        finally:
            _ffi.wasm_byte_vec_delete(ctypes.byref(text))


def _converted(type_: ValType | None) -> ValType | None:
    return _Text() if isinstance(type_, String) else type_


class _Export:
    """What is the same of an export in every instance, looked up once: its place and its types."""

    def __init__(self, index: ExportIndex, kind: FuncType) -> None:
        self.index = index
        self.params = [(name, _converted(type_)) for name, type_ in kind.params]
        self.result = _converted(kind.result)


class Runtime:
    """What every guest of one worker shares: read-only code, and the ticking clock."""

    def __init__(self, component_path: Path, limits: Limits) -> None:
        self.limits = limits
        self._engine = Engine(_config(limits))
        self._clock = Clock(self._engine.increment_epoch, limits.wall_ms)
        self._component = Component.deserialize_file(self._engine, str(component_path))
        self._linker = Linker(self._engine)
        self._linker.add_wasip2()
        self._derivations_left = 0
        self._exports: dict[str, _Export] = {}
        with self._linker.root() as root:
            root.add_func("derive-key", self._derive_key)

    @classmethod
    def load(cls, component_path: Path, limits: Limits | None = None) -> Runtime:
        return cls(component_path, limits or Limits())

    def start_clock(self) -> None:
        """Advance the epoch every tick, so that deadlines pass. Without it none ever does."""
        self._clock.start()

    def instantiate(self) -> tuple[Store, Callable[[str], Callable[..., str]]]:
        """A fresh guest: its wasm store, and a look-up of its exports by name."""
        wasm_store = Store(self._engine)
        wasm_store.set_limits(memory_size=self.limits.memory_bytes)
        wasm_store.set_wasi(WasiConfig())
        self.arm(wasm_store)
        instance = self._linker.instantiate(wasm_store, self._component)

        def export(name: str) -> Callable[..., str]:
            known = self._exports.get(name) or self._looked_up(name, instance, wasm_store)
            function = instance.get_func(wasm_store, known.index)
            if function is None:
                raise LookupError(f"the guest has no function {name!r}")
            # wasmtime-py asks for the type at every call, which costs a third of a short one.
            function.type = lambda _store: known  # type: ignore[method-assign,assignment,return-value]
            return lambda *arguments: function(wasm_store, *arguments)

        return wasm_store, export

    def _looked_up(self, name: str, instance: Instance, wasm_store: Store) -> _Export:
        index = self._component.get_export_index(name)
        function = None if index is None else instance.get_func(wasm_store, index)
        if index is None or function is None:
            raise LookupError(f"the guest has no export {name!r}")
        export = self._exports[name] = _Export(index, function.type(wasm_store))
        return export

    def arm(self, wasm_store: Store, most_ms: int | None = None) -> None:
        """Give the next call its fuel, its deadline (`most_ms` if that is sooner) and its key derivations."""
        wall_ms = self.limits.wall_ms if most_ms is None else min(most_ms, self.limits.wall_ms)
        wasm_store.set_fuel(self.limits.fuel)
        wasm_store.set_epoch_deadline(wall_ms // TICK_MS + 1)
        self._clock.wind()
        self._derivations_left = MAX_DERIVATIONS

    def describe(self) -> dict[str, Any]:
        """The names a plan sees, as the guest itself documents them."""
        _, export = self.instantiate()
        description: dict[str, Any] = json.loads(export("describe")())
        return description

    def _derive_key(self, _store: object, secret: str, salt: str) -> str:
        if self._derivations_left <= 0 or len(secret) > 1024 or len(salt) > 128:
            return ""
        self._derivations_left -= 1
        return hashlib.scrypt(secret.encode(), salt=salt.encode(), **_SCRYPT).hex()

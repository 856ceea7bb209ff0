"""Wasmtime, set up once per worker: engine, precompiled component, and what a guest may import.

A guest imports WASI and one function of ours. It has no network (none is granted), no environment, no
arguments, no standard input; what it writes to standard output goes nowhere.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wasmtime import Config, Engine, Store, WasiConfig
from wasmtime.component import Component, ExportIndex, FuncType, Instance, Linker, String, ValType

from wasm_runtime.clock import TICK_MS, Clock
from wasm_runtime.host_functions import KeyDerivation
from wasm_runtime.limits import MIB, Limits
from wasm_runtime.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What is read of a guest's answer that is no plan's reply: a plan's code, the guest's own description.
_ANSWER_BYTES = 8 * MIB


def _config(limits: Limits) -> Config:
    config = Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.max_wasm_stack = limits.stack_bytes
    return config


def precompile(component: bytes, limits: Limits | None = None) -> bytearray:
    """Native code for this machine from a component. Takes seconds and all cores."""
    return Component(Engine(_config(limits or Limits())), component).serialize()


class _Export:
    """What is the same of an export in every instance, looked up once: its place and its types."""

    def __init__(self, index: ExportIndex, kind: FuncType, text: Text) -> None:
        def converted(type_: ValType | None) -> ValType | None:
            return text if isinstance(type_, String) else type_

        self.index = index
        self.params = [(name, converted(type_)) for name, type_ in kind.params]
        self.result = converted(kind.result)


class Runtime:
    """What every guest of one worker shares: read-only code, and the ticking clock."""

    def __init__(self, component_path: Path, limits: Limits) -> None:
        self.limits = limits
        self._engine = Engine(_config(limits))
        self._clock = Clock(self._engine.increment_epoch, limits.wall_ms)
        self._component = Component.deserialize_file(self._engine, str(component_path))
        self._linker = Linker(self._engine)
        self._linker.add_wasip2()
        self._text = Text()
        self._text.beginning_bytes = limits.line_bytes
        self._derivation = KeyDerivation()
        self._exports: dict[str, _Export] = {}
        with self._linker.root() as root:
            self._derivation.define_in(root)

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
        export = self._exports[name] = _Export(index, function.type(wasm_store), self._text)
        return export

    def arm(
        self,
        wasm_store: Store,
        most_ms: int | None = None,
        most_bytes: int | None = None,
        told_bytes: int = 0,
    ) -> None:
        """Give the next call its fuel, its deadline (`most_ms` if that is sooner) and its key derivations.

        Of its answer, `most_bytes` are read, and `told_bytes` of what it tells of changes; a longer one is a
        TextTooLongError.
        """
        wall_ms = self.limits.wall_ms if most_ms is None else min(most_ms, self.limits.wall_ms)
        wasm_store.set_fuel(self.limits.fuel)
        wasm_store.set_epoch_deadline(wall_ms // TICK_MS + 1)
        self._clock.wind()
        self._text.most_bytes = _ANSWER_BYTES if most_bytes is None else most_bytes
        self._text.told_bytes = told_bytes
        self._derivation.arm()

    @property
    def host_failure(self) -> str:
        """What a host function has failed with in the present call; "": none has."""
        return self._derivation.failure

    def describe(self) -> dict[str, Any]:
        """The names a plan sees, as the guest itself documents them."""
        _, export = self.instantiate()
        description: dict[str, Any] = json.loads(export("describe")())
        return description

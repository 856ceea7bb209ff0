#!/usr/bin/env bash
# wasmtime 50.0.1 (PyPI): a Python exception in a host function ends a component's instance, and a core module's not.
#
# In both the exception comes out of the guest's call as itself, so both look as if nothing had happened. The core
# module's instance goes on. The component's says "cannot enter component instance" from then on, and so does a second
# instance in the same Store. A host function of a component has to return its failure as a value.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet wasmtime==50.0.1
venv/bin/python - <<'PY'
import wasmtime
from wasmtime import component

CORE = """(module
  (import "" "host" (func $host (result i32)))
  (func (export "ask") (result i32) (call $host))
  (func (export "seven") (result i32) (i32.const 7)))"""
COMPONENT = """(component
  (import "host" (func $host (result u32)))
  (core func $lowered (canon lower (func $host)))
  (core module $m
    (import "" "host" (func $host (result i32)))
    (func (export "ask") (result i32) (call $host))
    (func (export "seven") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m (with "" (instance (export "host" (func $lowered))))))
  (func (export "ask") (result u32) (canon lift (core func $i "ask")))
  (func (export "seven") (result u32) (canon lift (core func $i "seven"))))"""


class NoSuchRow(Exception):
    pass


def host(*_):
    raise NoSuchRow


def said(call):
    try:
        return call()
    except NoSuchRow:
        return "NoSuchRow"
    except wasmtime.WasmtimeError as error:
        return str(error).splitlines()[-1].strip()


engine = wasmtime.Engine()

store = wasmtime.Store(engine)
function = wasmtime.Func(store, wasmtime.FuncType([], [wasmtime.ValType.i32()]), host)
core = wasmtime.Instance(store, wasmtime.Module(engine, CORE), [function]).exports(store)
of_core = [said(lambda name=name: core[name](store)) for name in ("seven", "ask", "seven")]

store = wasmtime.Store(engine)
linker = component.Linker(engine)
with linker.root() as root:
    root.add_func("host", host)
parsed = component.Component(engine, COMPONENT)
first, second = (linker.instantiate(store, parsed) for _ in range(2))
of_component = [said(lambda name=name: first.get_func(store, name)(store)) for name in ("seven", "ask", "seven")]
of_second = said(lambda: second.get_func(store, "seven")(store))

print("core module:     ", of_core)
print("component:       ", of_component)
print("second instance: ", of_second)
assert of_core == [7, "NoSuchRow", 7]
assert of_component[:2] == [7, "NoSuchRow"]
assert "cannot enter component instance" in of_component[2]
assert "cannot enter component instance" in str(of_second)
PY

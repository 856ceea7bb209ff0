"""What a part of the torture found, in words that let somebody else find it again."""

from __future__ import annotations

from attrs import define, field

#: Violations that are printed; the first ones are the ones that say something.
_SHOWN = 20


@define
class Report:
    """One part's run. `options` are those of the command line that gave it its size."""

    part: str
    seed: int
    options: str
    figures: dict[str, object] = field(factory=dict)
    violations: list[str] = field(factory=list)

    @property
    def replay(self) -> str:
        return " ".join(f"python -m tools.torture {self.part} --seed {self.seed} {self.options}".split())

    def violation(self, what: str) -> None:
        self.violations.append(what)

    def text(self) -> str:
        figures = " ".join(f"{name}={value}" for name, value in self.figures.items())
        lines = [f"{self.part}: {len(self.violations)} violations; seed={self.seed} {figures}"]
        lines += [f"  {what}" for what in self.violations[:_SHOWN]]
        if len(self.violations) > _SHOWN:
            lines.append(f"  ... and {len(self.violations) - _SHOWN} more")
        if self.violations:
            lines.append(f"  replay: {self.replay}")
        return "\n".join(lines)

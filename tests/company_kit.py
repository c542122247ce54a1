"""Companies for tests, written as TOML and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from luosi.estimate.company.measures import Measures, measures
from luosi.estimate.company.report import estimate_company
from luosi.estimate.company.simulate import Simulation, simulate
from luosi.estimate.company.spec import Company, read

HEAD = 'name = "test"\nstart = "2024-01"\nmonths = 24\ntrials = 200\n'


class Kit:
    """Files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "company.toml"

    def write(self, text: str, head: str = HEAD) -> Path:
        self.path.write_text(head + text, encoding="utf-8")
        return self.path

    def company(self, text: str, head: str = HEAD) -> Company:
        return read(self.write(text, head))

    def run(self, text: str, head: str = HEAD) -> Simulation:
        return simulate(self.company(text, head))

    def measured(self, text: str, head: str = HEAD) -> Measures:
        return measures(self.run(text, head))

    def report(self, text: str, head: str = HEAD) -> dict[str, Any]:
        """As --json prints it: refuses NaN and infinity."""
        found: dict[str, Any] = json.loads(json.dumps(estimate_company(self.write(text, head)), allow_nan=False))
        return found

"""Console commands and scripts are the same programs; what pip installs is what was tested."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SCRIPTS = PROJECT["scripts"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_console_command_is_the_script_of_its_name(name):
    point = importlib.metadata.EntryPoint(name, SCRIPTS[name], "console_scripts")
    assert callable(point.load())
    script = ROOT / "tools" / f"{name.removeprefix('summarymixing-').replace('-', '_')}.py"
    imported = [node for node in ast.parse(script.read_text()).body if isinstance(node, ast.ImportFrom)]
    assert (point.module, point.attr) in {(node.module, alias.name) for node in imported for alias in node.names}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_console_command_says_how_it_is_used(name):
    module, function = SCRIPTS[name].split(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = {name!r}; sys.exit({function}())"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {name} "), done.stderr


@pytest.mark.parametrize(
    ("ranges", "file"),
    [
        (PROJECT["dependencies"], "requirements.txt"),
        (PROJECT["optional-dependencies"]["dev"], "requirements-dev.txt"),
    ],
)
def test_every_pin_is_in_its_range(ranges, file):
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    requirements = {requirement.name: requirement for requirement in map(Requirement, ranges)}
    assert requirements.keys() == pins.keys()
    for name, requirement in requirements.items():
        assert pins[name] in requirement.specifier, requirement
        assert not any(part.operator == "==" for part in requirement.specifier), "pins are for requirements files"


def test_what_the_package_imports_is_required():
    imported = set()
    for file in (ROOT / "summarymixing").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    imported -= set(sys.stdlib_module_names) | {"summarymixing"}
    ranges = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["hf"]
    required = {re.sub(r"[-_]", "_", Requirement(text).name.partition(".")[0]) for text in ranges}
    assert imported <= required

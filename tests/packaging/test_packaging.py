"""The repo installs as it says: pyproject, both lock files, environment.yml and the wheel agree with each other."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest
import rattler
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = {"lab": ROOT / "requirements/lab.txt", "test": ROOT / "requirements/test.txt"}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())

MACHINES = [
    {"python_version": version, "python_full_version": f"{version}.9", **system}
    for version in ("3.11", "3.12", "3.13", "3.14")
    for system in (
        {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
        {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
        {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
    )
]


def read_pins(extra: str, machine: dict[str, str]) -> dict[str, str]:
    """Name -> version of every package that a lock file pins for one machine."""
    pins: dict[str, str] = {}
    for line in LOCKS[extra].read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate(machine):
                (specifier,) = requirement.specifier
                assert specifier.operator == "=="
                assert canonicalize_name(requirement.name) not in pins
                pins[canonicalize_name(requirement.name)] = specifier.version
    return pins


def asked_for(extra: str) -> Iterator[Requirement]:
    """What pyproject asks for with an extra, the package's own extras followed."""
    for line in (
        PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra] + PYPROJECT["build-system"]["requires"]
    ):
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) == PROJECT["name"]:
            for other in requirement.extras:
                yield from asked_for(other)
        else:
            yield requirement


# Where the module is not called as its package; what is imported with another that is asked for.
PACKAGES = {"socketio": "python-socketio", "hdrh": "hdrhistogram", "backports": "backports-zstd"}
COMES_WITH = {
    "engineio": "python-socketio",
    "pydantic": "fastapi",
    "markupsafe": "jinja2",
    "IPython": "ipykernel",
    "traitlets": "ipywidgets",
}


def imported_by(folder: Path) -> set[str]:
    """The packages whose modules a folder's files import."""
    names = set()
    for file in (path for path in folder.rglob("*.py") if "node_modules" not in path.parts):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            names |= {module.partition(".")[0] for module in modules}
    foreign = names - sys.stdlib_module_names - {"reznet_ws", "compression"}  # the last is Python 3.14's own
    return {canonicalize_name(PACKAGES.get(name) or COMES_WITH.get(name) or name) for name in foreign}


# The lock files


@pytest.mark.parametrize("extra", LOCKS)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m['python_version']}-{m['sys_platform']}")
def test_a_lock_pins_what_pyproject_asks_for(extra: str, machine: dict[str, str]) -> None:
    machine = {**default_environment(), **machine}  # type: ignore[dict-item]
    pins = read_pins(extra, machine)
    for requirement in asked_for(extra):
        if requirement.marker is None or requirement.marker.evaluate(machine):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m['python_version']}-{m['sys_platform']}")
def test_both_locks_pin_the_same_versions(machine: dict[str, str]) -> None:
    machine = {**default_environment(), **machine}  # type: ignore[dict-item]
    assert read_pins("lab", machine).items() <= read_pins("test", machine).items()


def test_what_is_installed_is_what_the_lock_pins() -> None:
    pins = read_pins("test", dict(default_environment()))  # type: ignore[arg-type]
    assert {name: metadata.version(name) for name in pins} == pins


@pytest.mark.parametrize("extra", LOCKS)
def test_a_lock_is_complete(extra: str) -> None:
    """Installed with --no-deps, it must name whatever any package in it needs here."""
    pins = read_pins(extra, dict(default_environment()))  # type: ignore[arg-type]
    todo = [(requirement.name, frozenset(requirement.extras)) for requirement in asked_for(extra)]
    seen = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras | {""}):
                assert needed.specifier.contains(pins[canonicalize_name(needed.name)], prereleases=True), (name, line)
                todo.append((needed.name, frozenset(needed.extras)))


# What the package asks for


def test_the_core_needs_python_socketio_and_nothing_else() -> None:
    assert [Requirement(line).name for line in PROJECT["dependencies"]] == ["python-socketio"]


def test_every_range_is_open_to_newer_versions_up_to_the_next_major_one() -> None:
    """An exact version, or a cap on the minor one, would keep an application from what it needs itself."""
    for extra in ("serve", "fastapi", "client"):
        for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]:
            bounds = {each.operator: each.version for each in Requirement(line).specifier}
            assert ">=" in bounds, line
            assert set(bounds) <= {">=", "<"}, line
            assert "." not in bounds.get("<", ""), line


def test_whatever_the_package_imports_some_extra_asks_for() -> None:
    """Not left to what another package happens to bring."""
    extras = ("metrics", "pcap", "pytest", "webtransport")
    asked = {canonicalize_name(requirement.name) for extra in extras for requirement in asked_for(extra)}
    assert imported_by(ROOT / "reznet_ws") <= asked


# environment.yml


def test_the_conda_environment_is_python_pip_and_the_lab() -> None:
    assert list(ENVIRONMENT) == ["name", "channels", "dependencies"]
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    *conda, pip = ENVIRONMENT["dependencies"]
    names = [rattler.MatchSpec(spec, strict=True).name for spec in conda]
    assert [name.normalized for name in names if name] == ["python", "pip"]
    assert pip == {"pip": ["-e .[lab]"]}
    assert "lab" in PROJECT["optional-dependencies"]


def test_the_conda_environment_takes_the_pythons_that_pyproject_takes() -> None:
    spec = rattler.MatchSpec(ENVIRONMENT["dependencies"][0], strict=True)
    assert spec.version is not None
    assert SpecifierSet(spec.version) == SpecifierSet(PROJECT["requires-python"])


def test_pip_accepts_the_conda_environments_pip_half() -> None:
    """Offline: everything it asks for is installed, so pip only has to agree."""
    (line,) = ENVIRONMENT["dependencies"][-1]["pip"]
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-build-isolation", *line.split()]
    done = subprocess.run(pip, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    would = next(line for line in done.stdout.splitlines() if line.startswith("Would install"))
    assert would.split()[2:] == [f"reznet-ws-{PROJECT['version']}"]


# The wheel


def test_the_wheel_holds_the_package_and_the_built_decoder_and_no_more(tmp_path: Path) -> None:
    hatch = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(hatch, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = archive.read(f"reznet_ws-{PROJECT['version']}.dist-info/entry_points.txt").decode()
        headers = HeaderParser().parsestr(archive.read(f"reznet_ws-{PROJECT['version']}.dist-info/METADATA").decode())
    inside = {name for name in names if name.startswith("reznet_ws/")}
    modules = (path for path in (ROOT / "reznet_ws").rglob("*.py") if "node_modules" not in path.parts)
    sources = {path.relative_to(ROOT).as_posix() for path in modules}
    assert inside >= sources | {"reznet_ws/py.typed", "reznet_ws/client/js/reznet.js"}
    assert {name.partition("/")[0] for name in names} == {"reznet_ws", f"reznet_ws-{PROJECT['version']}.dist-info"}
    decoder = {name for name in inside if name.startswith("reznet_ws/client/js/") and not name.endswith(".py")}
    built = {"messagepack", "packets", "reznet", "rows", "rows-text", "snapshots"}
    assert decoder == {f"reznet_ws/client/js/{name}.{kind}" for name in built for kind in ("js", "d.ts")}
    assert not [name for name in inside if "node_modules" in name or "__pycache__" in name]
    assert "reznet-ws = reznet_ws.__main__:main" in entry_points
    assert headers["License-Expression"] == "MIT"
    assert set(headers.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])

"""What the repo must not hold."""

import re
import tomllib
from pathlib import Path

import yaml
from repo_files import ROOT, repo_files


def test_no_file_names_a_machines_path_or_a_package_index() -> None:
    path = r"(?<![\w.~/-])/(root|work|tmp/w|Users/\w+|home/\w+|opt/pypi)/"
    hosts = r"(pypi|pythonhosted|npmjs|yarnpkg|debian|ubuntu|anaconda)\.(org|com|net)"
    flags = r"--(extra-)?index-url|--find-links"
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file, text in repo_files()
        if file != Path(__file__)
        for match in re.finditer(f"{path}|{hosts}|{flags}", text)
    ]
    assert found == []


def test_no_lock_names_where_a_package_comes_from() -> None:
    for file in [
        path for path, _ in repo_files() if path.parent.name == "requirements" or path.name == "package-lock.json"
    ]:
        assert not re.search(r'(?<!"url": ")https?://', file.read_text()), file.name


# The workflow for a hosted CI

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_workflow_calls_the_run_script_and_nothing_of_its_own() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    called = [step["run"] for step in steps if "run" in step]
    assert called == ["./run test", "./run fuzz --seconds 20", "./run site --check", "./run versions"]


def test_the_workflow_runs_every_python_that_the_package_says_it_runs_on() -> None:
    said = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in PROJECT["classifiers"]]
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == [match[1] for match in said if match]

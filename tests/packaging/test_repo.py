"""What the repo must not hold."""

import re
from pathlib import Path

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

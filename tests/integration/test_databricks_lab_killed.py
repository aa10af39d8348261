"""``up``, ``run`` and ``down`` killed at every request that changes something: a second ``down`` leaves nothing."""

import os
import signal
from itertools import count

import pytest
from forked_ziggurat import Ziggurats
from killing_proxy import KillingProxy
from lab_world import KEY, calls_to, environment, lab_file, left
from quick_workspace import quick_workspace

from ziggurat.databricks import lab as labs
from ziggurat.databricks.local import Models
from ziggurat.testing import FakeChat

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def local():
    models = Models(chat=FakeChat(script="LangChain is a framework [1]."))
    with quick_workspace(models=models, delays={"cluster": 0.05, "library": 0.02, "endpoint": 0.02}) as found:
        yield found


@pytest.fixture(scope="module")
def ziggurats():
    with Ziggurats() as found:
        yield found


@pytest.fixture(scope="module")
def before(local):
    return left(local)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("verb", ["up", "run", "down"])
def test_killed_at_any_request_a_second_down_leaves_nothing(
    verb, when, local, ziggurats, before, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAB_KEY", KEY)
    path = lab_file(tmp_path)
    declared = labs.read_lab(path)
    said: list[str] = []
    with KillingProxy(local.url) as proxy:
        calls = calls_to(proxy_as(local, proxy))
        env = environment(proxy.url, local.token)
        for number in count(1):
            if verb != "up":
                proxy.arm(0, "before", lambda: None)
                labs.up(declared, calls, said.append)
            arguments = (verb, path, "--out", tmp_path) if verb == "run" else (verb, path)
            process = ziggurats.begin(*arguments, env=env)
            proxy.arm(number, when, lambda process=process: os.kill(process.pid, signal.SIGKILL))
            output = process.output()
            killed = proxy.killed
            assert process.returncode == (-signal.SIGKILL if killed else 0), output
            proxy.arm(0, "before", lambda: None)
            state = declared.path.read_text() if declared.path.exists() else ""
            for secret in (KEY, local.token):
                assert secret not in output + state
            labs.down(declared, calls, said.append)
            assert left(local) == before, f"{verb} killed {when} request {number}"
            assert not declared.path.exists()
            assert labs.down(declared, calls, said.append) == []
            if not killed:
                break
        calls.close()
    assert number > {"up": 10, "run": 4, "down": 5}[verb]
    assert KEY not in "".join(said)


def test_a_second_up_after_a_killed_one_finishes_it_without_making_anything_twice(
    local, ziggurats, before, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAB_KEY", KEY)
    path = lab_file(tmp_path)
    declared = labs.read_lab(path)
    with KillingProxy(local.url) as proxy:
        calls = calls_to(proxy_as(local, proxy))
        for number in count(1):
            process = ziggurats.begin("up", path, env=environment(proxy.url, local.token))
            proxy.arm(number, "after", lambda process=process: os.kill(process.pid, signal.SIGKILL))
            process.output()
            killed = proxy.killed
            assert process.returncode == (-signal.SIGKILL if killed else 0)
            proxy.arm(0, "before", lambda: None)
            labs.up(declared, calls, print)
            assert len([one for one in left(local) - before if one.startswith("cluster")]) == 1
            assert labs.plan(declared, calls).idle
            labs.down(declared, calls, print)
            assert left(local) == before
            if not killed:
                break
        calls.close()
    assert number > 10


def proxy_as(local, proxy):
    """The same workspace through the proxy."""

    class Through:
        url = proxy.url
        token = local.token

    return Through

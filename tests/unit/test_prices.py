"""Prices: what is known is exact, what is unknown is None, and nothing is ever fetched."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from ziggurat.chain.usage import ModelUsage
from ziggurat.errors import InputError
from ziggurat.models.llama.chat import LocalChat
from ziggurat.prices import OWN_MACHINE, Price, Prices, bound, cost, was_cached
from ziggurat.testing import FakeChat


def used(model, provider, read=1_000_000, wrote=100_000, cached=0, calls=1):
    return ModelUsage(model, provider, read, wrote, cached, calls)


def test_a_known_model_costs_what_its_provider_lists():
    assert cost(used("gpt-4.1", "openai")) == Decimal("2.8")  # 2 and 8 dollars a million
    assert cost(used("gpt-4.1", "openai", cached=400_000)) == Decimal("2.2")  # cached: half a dollar


@pytest.mark.parametrize(
    ("model", "provider", "alike"),
    [
        ("gpt-4.1-2025-04-14", "openai", ("gpt-4.1", "openai")),
        ("gpt-4.1", "azure", ("gpt-4.1", "openai")),
        ("gpt-4.1", "azure_openai", ("gpt-4.1", "azure")),
        ("GPT-4.1", "OpenAI", ("gpt-4.1", "openai")),
        ("claude-sonnet-4-5-20250929", "anthropic", ("claude-sonnet-4-5", "anthropic")),
        ("models/gemini-2.5-pro", "google_genai", ("gemini-2.5-pro", "google_vertexai")),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "amazon_bedrock",
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock_converse"),
        ),
        ("mistral-large-latest", "mistralai", ("mistral-large-latest", "mistral")),
        ("grok-4", "xai", ("grok-4", "x-ai")),
    ],
)
def test_names_of_langchain_and_names_with_dates_mean_the_same_model(model, provider, alike):
    price = cost(used(model, provider))
    assert price is not None
    assert price > 0
    assert price == cost(used(*alike))


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("llama-3.3-70b-versatile", "groq"),
        ("deepseek-chat", "deepseek"),
        ("sonar", "perplexity"),
        ("databricks-meta-llama-3-3-70b-instruct", "databricks"),
    ],
)
def test_other_providers_are_known_by_the_name_langchain_gives_them(model, provider):
    assert cost(used(model, provider)) > 0


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("house-model", "azure"),
        ("house-endpoint", "databricks"),
        ("gpt-4.1", ""),
        ("gpt-4.1", "myopenaicompatible"),
        ("", "openai"),
        ("ft:gpt-4.1:house::1", "openai"),
        ("llama3", "ollama"),
        ("whisper-1", "openai"),
        ("zephyr", "huggingface"),
    ],
)
def test_what_nobody_knows_is_unknown_and_not_zero(model, provider):
    assert cost(used(model, provider)) is None
    assert bound(model, provider, 10, 10) is None


def test_models_on_this_machine_cost_nothing_and_their_providers_are_named():
    for model in (FakeChat(), LocalChat(model="local:qwen2.5-coder-0.5b")):
        provider = model._get_ls_params()["ls_provider"]
        assert provider in OWN_MACHINE
        assert cost(used("anything", provider)) == 0
    assert bound("local:qwen2.5-coder-0.5b", "local", 1_000, 1_000) == 0


def test_a_price_of_ones_own_goes_first_and_the_provider_makes_it_narrower():
    prices = Prices({"house-model": Price(2, 8, cached="0.5"), "azure:gpt-4.1": {"input": 1, "output": 1}})
    assert prices.cost(used("house-model", "azure")) == Decimal("2.8")
    assert prices.cost(used("house-model-2025-04-14", "", cached=400_000)) == Decimal("2.2")
    assert prices.cost(used("GPT-4.1", "azure")) == Decimal("1.1")
    assert prices.cost(used("gpt-4.1", "openai")) == Decimal("2.8")
    assert Prices({"llama3": Price(0, 0)}).cost(used("llama3", "ollama")) == 0


@pytest.mark.parametrize("price", [-1, "free", float("nan"), float("inf"), True, None])
def test_what_is_no_price_is_refused(price):
    with pytest.raises(InputError, match="no price"):
        Price(price, 1)
    with pytest.raises(InputError, match="'house-model'"):
        Prices({"house-model": {"input": 1, "output": price}})


@pytest.mark.parametrize("given", [{"input": 1}, {"input": 1, "output": 1, "batch": 1}, 7])
def test_a_price_without_its_parts_is_refused_and_says_which_parts(given):
    with pytest.raises(InputError, match="input=…, output=…"):
        Prices({"house-model": given})


def test_a_price_by_length_counts_by_the_mean_call_and_a_price_by_call_counts_calls():
    short = cost(used("gemini-2.5-pro", "google_genai", 150_000, 0))
    assert cost(used("gemini-2.5-pro", "google_genai", 600_000, 0, calls=4)) == 4 * short
    assert cost(used("gemini-2.5-pro", "google_genai", 600_000, 0, calls=1)) == 8 * short  # beyond 200,000: double
    one = cost(used("sonar", "perplexity", 3_000, 300))
    assert cost(used("sonar", "perplexity", 9_000, 900, calls=3)) == 3 * one


def test_a_price_is_that_of_the_day():
    before, after = datetime(2025, 6, 9, tzinfo=UTC), datetime(2025, 6, 11, tzinfo=UTC)
    assert cost(used("o3", "openai"), at=before) > cost(used("o3", "openai"), at=after)


def test_more_cached_tokens_than_tokens_are_no_reason_to_fail():
    assert cost(used("gpt-4.1", "openai", 10, 0, cached=500)) == cost(used("gpt-4.1", "openai", 10, 0, cached=10))


@given(
    st.sampled_from([("gpt-4.1", "openai"), ("claude-sonnet-4-5", "anthropic"), ("gemini-2.5-pro", "google_genai")]),
    st.integers(0, 2_000_000),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.floats(0, 1),
)
def test_no_call_costs_more_than_its_bound(model, read, allowed, wrote, cached):
    most = bound(*model, read, allowed)
    assert cost(used(*model, read, min(wrote, allowed), int(read * cached))) <= most


def test_the_bound_reckons_with_what_a_provider_charges_for_filling_its_cache():
    assert bound("claude-sonnet-4-5", "anthropic", 100_000, 0) == Decimal("0.375")  # 3.75 a million, not 3


def test_an_answer_from_langchains_cache_is_told_by_its_mark():
    usage = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    assert not was_cached(AIMessage("x", usage_metadata=usage))
    assert was_cached(AIMessage("x").model_copy(update={"usage_metadata": {**usage, "total_cost": 0}}))
    assert not was_cached(AIMessage("x"))
    assert not was_cached("x")


def test_nothing_is_fetched(monkeypatch):
    def refuse(*_):
        raise AssertionError("a price must not need the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert cost(used("gpt-4.1", "openai")) is not None


def test_importing_it_imports_neither_the_package_nor_langchain():
    code = "import sys, ziggurat.prices; print([m for m in sys.modules if m.startswith(('genai', 'langchain', 'pydantic'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

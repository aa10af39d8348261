"""Tour: LLM calls. A fake for tests, a cache so that nothing is asked twice, a count of what was used.

python examples/tour/fakes_caches_usage.py
"""

import tempfile
from pathlib import Path

from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.globals import set_llm_cache

from ziggurat.models.caches import MemoryCache, SQLiteCache
from ziggurat.testing import FakeChat


def main():
    """The answers, how often the model was really asked, and the tokens it used."""
    asked = {}
    with tempfile.TemporaryDirectory() as folder:
        # Redis and any database by SQLAlchemy are caches of LangChain's; `ziggurat.models.caches` has Redis too.
        for cache in (MemoryCache(), SQLiteCache(Path(folder) / "answers.sqlite")):
            model = FakeChat(script={"Portugal": "Lisbon.", "France": "Paris."})
            set_llm_cache(cache)
            try:
                with get_usage_metadata_callback() as usage:
                    answers = [
                        model.invoke(f"The capital of {one}?").text for one in ("Portugal", "France", "Portugal")
                    ]
            finally:
                set_llm_cache(None)
            asked[type(cache).__name__] = (len(model.calls), usage.usage_metadata["fake:script"]["total_tokens"])
            print(
                f"{type(cache).__name__}: {answers}, asked {len(model.calls)} times, used {dict(usage.usage_metadata)}"
            )
    return answers, asked


if __name__ == "__main__":
    main()

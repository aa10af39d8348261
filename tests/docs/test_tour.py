"""The examples of the tour run without a key, and what they give means what it should."""

import importlib.util
import json
import re
import sqlite3
from pathlib import Path

import pytest
import tiny_transformers
from web_server import web_server

from ziggurat.testing import FakeChat, OpenAIServer, PineconeServer, SearchServer, tool_call

TOUR = Path(__file__).parents[2] / "examples" / "tour"
NAMES = sorted(path.stem for path in TOUR.glob("*.py"))


def example(name):
    """The example's module, imported from its file."""
    spec = importlib.util.spec_from_file_location(f"tour_{name}", TOUR / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answering(**said):
    """A double that answers by words of the question; JSON is given as it would be written."""
    return FakeChat(
        script={key.replace("_", " "): one if isinstance(one, str) else json.dumps(one) for key, one in said.items()}
    )


def test_every_example_says_its_part_of_the_tour_and_has_a_test_and_a_row_in_the_table():
    tests = Path(__file__).read_text(encoding="utf-8")
    table = (TOUR.parents[1] / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        first = (TOUR / f"{name}.py").read_text(encoding="utf-8").splitlines()[0]
        assert re.match(r'"""Tour: \w', first), name
        assert f'example("{name}")' in tests, name
        assert f"(examples/tour/{name}.py)" in table, name


def test_a_model_is_called_by_its_spec(monkeypatch):
    model = FakeChat(script="It helps people. It also errs.")
    with OpenAIServer(model) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        assert example("call_a_model").main("openai:gpt-4.1").text == "It helps people. It also errs."
        assert server.requests[-1].body["model"] == "gpt-4.1"
        assert "artificial intelligence" in server.requests[-1].body["messages"][-1]["content"]


def test_fakes_answer_caches_remember_and_usage_is_counted():
    answers, asked = example("fakes_caches_usage").main()
    assert answers == ["Lisbon.", "Paris.", "Lisbon."]
    assert set(asked) == {"MemoryCache", "SQLiteCache"}
    for calls, tokens in asked.values():
        assert calls == 2
        assert tokens > 0


def test_answers_are_streamed_to_stdout(capsys):
    told, pieces = example("stream_to_stdout").main(FakeChat(script="A stepped tower of bricks."))
    assert told == "".join(pieces) == "A stepped tower of bricks."
    assert len(pieces) > 2
    assert capsys.readouterr().out.count("A stepped tower of bricks.") == 2


def test_prompts_are_filled_in_shown_and_versioned():
    said = example("prompts").main()
    assert "Answer in one word: What is the capital of Portugal?" in said["partial"]
    assert said["few shot"].splitlines() == [
        "System: You give the opposite of a word.",
        "Human: tall",
        "AI: short",
        "Human: happy",
        "AI: sad",
        "Human: bright",
    ]
    assert said["versions"] == (2, [1, 2], "The opposite of a word.")
    assert "概括" in said["a summary in Chinese"]


def test_splitters_cut_and_keep_places():
    module = example("splitters")
    found = module.main()
    assert all(len(text) <= 200 for _, text in found["recursive"])
    for chunks in found.values():
        for start, text in chunks:
            assert module.TEXT[start : start + len(text)] == text
    assert [text.splitlines()[0] for _, text in found["by structure"]][:3] == ["# Stages", "## Policy", "# Chains"]


def test_loaders_read_mails_tables_notes_and_pages():
    found = example("loaders").main()
    assert found["mail.eml"].metadata["title"] == "The boat"
    assert "The boat is red." in found["mail.eml"].text
    assert "Halcyon" in found["boats.csv"].text
    assert found["notes.enex#notes/1"].text.endswith("Two tins of red paint.")
    assert found["page.html"].text == "The harbour opens at six."
    assert found["readme.md"].kind == "markdown"


def test_a_knowledge_base_answers_with_its_source():
    model = answering(revenue="The revenue in the first quarter was 2.88 billion yuan.")
    answer = example("knowledge_base").main(model=model, embedding="fake:128")
    assert "2.88 billion yuan" in answer.citations[0].quote
    assert answer.citations[0].place.endswith("report.txt:3")
    assert "notes.md" not in model.calls[-1].messages[-1].text


def test_vector_stores_last_and_are_copied():
    found = example("vector_stores").main()
    for name in ("chroma", "qdrant", "lancedb"):
        assert found[name] == "Pinecone keeps them in the cloud."
        assert found[f"{name} copied"] == "Qdrant has a local mode."


def test_pinecone_lasts_too():
    with PineconeServer("tour", dimension=64, api_key="key") as server:
        found = example("vector_stores").main("pinecone:tour", api_key="key", host=server.url)
    assert found == {"pinecone": "Pinecone keeps them in the cloud.", "pinecone copied": "Qdrant has a local mode."}


def test_a_video_answers_with_the_moment():
    model = FakeChat(
        script={
            "Last question": "How long does the glue need to cure?",
            "Question: When": "The boat is painted red at the end.",
            "Question: How": "The glue needs twelve hours to cure.",
        }
    )
    first, second = example("video_bot").main(model=model, embedding="fake:128")
    assert first.citations[0].link.endswith("&t=312s")
    assert second.text == "The glue needs twelve hours to cure."
    assert second.citations[0].link == "https://www.youtube.com/watch?v=Dj60HHy-Kqk&t=191s"


def test_chains_run_in_a_row():
    found = example("sequential_chains").main(
        model=answering(Rome="Saltimbocca", Saltimbocca="1. Beat the veal. 2. Fry it.")
    )
    assert found == {"dish": "Saltimbocca", "recipe": "1. Beat the veal. 2. Fry it."}


def test_output_has_the_structure_that_was_asked_for():
    said = {"bad_string": "welcom to califonya!", "good_string": "Welcome to California!"}
    model = answering(califonya=said, Lovelace={"name": "Ada Lovelace", "born": 1815})
    repaired, person = example("structured_output").main(model)
    assert repaired.value == said
    assert (person.value.name, person.value.born) == ("Ada Lovelace", 1815)
    assert person.where("born").quote == "1815"


PAGE = """<html><head><title>公司简介</title></head><body><script>track('visitor')</script><main><h1>公司简介</h1><table>
<tr><td>公司名称</td><td>贵州茅台酒股份有限公司</td></tr><tr><td>英文名称</td><td>Kweichow Moutai Co., Ltd.</td></tr>
<tr><td>发行价格</td><td>31.39</td></tr><tr><td>成立日期</td><td>1999-11-20</td></tr>
<tr><td>注册资本</td><td>125620 万元</td></tr><tr><td>办公地址</td><td>贵州省仁怀市茅台镇</td></tr></table>
<p>公司主要生产和销售茅台酒及系列酒。</p></main><footer>广告</footer></body></html>"""
PROFILE = {
    "company_name": "贵州茅台酒股份有限公司",
    "company_english_name": "Kweichow Moutai Co., Ltd.",
    "issue_price": "31.39",
    "date_of_establishment": "1999-11-20",
    "registered_capital": "125620 万元",
    "office_address": "贵州省仁怀市茅台镇",
    "company_profile": "公司主要生产和销售茅台酒及系列酒。",
}


def test_a_company_profile_is_read_from_its_page():
    model = FakeChat(script=json.dumps(PROFILE, ensure_ascii=False))
    with web_server() as site:
        site("/600519", PAGE)
        found = example("web_page").main(site.at("/600519"), model, allow_private=True)
    assert found.value == PROFILE
    assert found.unsupported == ()
    assert "visitor" not in model.calls[0].messages[-1].text


@pytest.mark.model
def test_the_local_model_reads_the_company_profile_from_its_page():
    with web_server() as site:
        site("/600519", PAGE)
        found = example("web_page").main(site.at("/600519"), allow_private=True)
    right = [name for name, value in PROFILE.items() if found.value[name] == value]
    assert len(right) >= 5, found.value


def test_what_was_said_is_remembered():
    model = FakeChat(script=["Beijing.", "About 22 million."])
    first, second = example("memory").main(model)
    assert (first.text, second.text) == ("Beijing.", "About 22 million.")
    assert [message.text for message in model.calls[1].messages][1:] == [
        "Hello!",
        "What is the capital of China?",
        "Beijing.",
        "And how many people live there?",
    ]


def test_hugging_face_models_answer_online_and_offline(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with OpenAIServer(FakeChat(script={"step by step": "London, step by step.", "": "London."})) as server:
        through, bare = example("huggingface_models").main(f"huggingface:{server.url}")
    assert (through, bare) == ("London, step by step.", "London.")
    folder = tiny_transformers.rewriter(tmp_path)
    _, bare = example("huggingface_models").main(f"transformers:{folder}")
    assert bare.strip().startswith("London is the capital.")


def test_long_texts_are_summarised_in_four_ways_with_pointers():
    module = example("summarise")

    def reading(messages):
        """A model that repeats the first sentence about the lighthouse or the harbour that it is shown."""
        said = messages[-1].text
        shown = [line for line in module.TEXT.split("\n\n") if line.split(". ")[0] in said]
        keeper = "Its keeper was Hannah Reed, who kept it for forty years."
        return f"{keeper}\nScore: 90" if keeper in said else (shown[0].split(". ")[0] + "." if shown else "Nothing.")

    found = module.main(model=FakeChat(script=reading))
    assert set(found) == {"stuff", "map_reduce", "refine", "map_rerank"}
    for strategy, summary in found.items():
        assert summary.points, strategy
        for point in summary.points:
            for one in point.citations:
                assert module.TEXT[one.start : one.end] == one.quote, strategy
    assert "Hannah Reed" in found["map_rerank"].text


def test_a_search_is_told_and_reckoned_with():
    model = FakeChat(
        script=[
            "Thought: search\nAction: web_search\nAction Input: moon landing",
            "Thought: reckon\nAction: calculator\nAction Input: 2026 - 1969",
            "Final Answer: Apollo 11 landed 57 years ago.",
        ]
    )
    with SearchServer({"Apollo 11": "Apollo 11 landed on the Moon in 1969."}, key="serp") as server:
        answer = example("search_agent").main(
            "What happened on 20 July?", "serpapi", model, address=server.serpapi, key="serp"
        )
        assert server.received[0].parameters["q"] == "moon landing"
    assert answer.text == "Apollo 11 landed 57 years ago."
    assert [step.tool for step in answer.steps] == ["web_search", "calculator"]
    assert "1969" in answer.steps[0].result
    assert answer.steps[1].result == "57"


def test_every_kind_of_agent_answers_in_its_own_way():
    found = example("agent_kinds").main(
        react=FakeChat(script=["Action: calculator\nAction Input: 12 * 11", "Final Answer: 132"]),
        documents=FakeChat(
            script=[
                "Action 1: Search[Swamp Thing]",
                "Action 2: Search[Wes Craven]",
                "Action 3: Lookup[born]",
                "Action 4: Finish[Cleveland, Ohio]",
            ]
        ),
        self_ask=FakeChat(
            script=[
                "Are follow up questions needed here: Yes.\nFollow up: Who directed Swamp Thing?",
                "Follow up: Where was Wes Craven born?",
                "So the final answer is: Cleveland, Ohio",
            ]
        ),
        conversational=FakeChat(script=["Noted.", tool_call("calculator", expression="2 * 12"), "24 metres."]),
    )
    assert {kind: answer.text for kind, answer in found.items()} == {
        "react": "132",
        "docstore": "Cleveland, Ohio",
        "self_ask": "Cleveland, Ohio",
        "conversational": "24 metres.",
    }
    assert [step.tool for step in found["docstore"].steps] == ["Search", "Search", "Lookup"]
    assert "Cleveland" in found["docstore"].steps[2].result
    assert "Wes Craven" in found["self_ask"].steps[0].result


def test_connected_tools_read_a_mail_and_send_what_was_allowed(tmp_path):
    model = FakeChat(
        script=[
            tool_call("list_emails"),
            tool_call("read_email", number="1"),
            tool_call(
                "send_email", to="bob@example.org", subject="Ana", text="Lunch on Friday at noon at the harbour."
            ),
            "I sent Bob a summary.",
        ]
    )
    asked = []
    answer = example("connected_tools").main(model, tmp_path, lambda tool, arguments: not asked.append(tool))
    assert asked == ["send_email"]
    assert answer.text == "I sent Bob a summary."
    (sent,) = (tmp_path / "sent").iterdir()
    assert "To: bob@example.org" in sent.read_text()
    assert "at the harbour" in sent.read_text()


def test_descriptions_and_weights_decide_which_tool_is_shown_first():
    model = FakeChat(script=[tool_call("Calculator", expression="27 ** 0.43"), "About 4.12."])
    with SearchServer({}) as server:
        answer = example("weighted_tools").main(model, address=server.duckduckgo)
    assert float(answer.steps[0].result) == pytest.approx(27**0.43, abs=1e-3)
    offered = [tool["function"]["name"] for tool in model.calls[0].options["tools"]]
    assert offered == ["Calculator", "Search"]
    assert answer.text == "About 4.12."


DATABASE = """
CREATE TABLE employee (employee_id INTEGER PRIMARY KEY, last_name VARCHAR(40));
CREATE TABLE playlisttrack (playlist_id INTEGER, track_id INTEGER);
INSERT INTO employee VALUES (1, 'Adams'), (2, 'Edwards'), (3, 'Peacock');
"""


def asked_of_a_database(address):
    agent = FakeChat(script=[tool_call("sql_schema", tables=["playlisttrack"]), "It joins playlists and tracks."])
    model = FakeChat(script={"": "SELECT count(*) AS employees FROM employee"})
    return example("sql_questions").main(address, model=model, agent_model=agent)


def test_databases_are_asked_in_words(tmp_path):
    with sqlite3.connect(tmp_path / "shop.sqlite") as connection:
        connection.executescript(DATABASE)
    connection.close()
    table, answer = asked_of_a_database(tmp_path / "shop.sqlite")
    assert "track_id" in table.steps[0].result
    assert answer.rows == ((3,),) or [list(row) for row in answer.rows] == [[3]]
    assert "3" in answer.text
    assert "count" in answer.query.lower()


def test_mysql_is_asked_too(tmp_path):
    import pymysql
    from mariadb_server import mariadb_server

    with mariadb_server(tmp_path) as (port, _):
        connection = pymysql.connect(host="127.0.0.1", port=port, user="root", database="shop", autocommit=True)
        with connection, connection.cursor() as cursor:
            for statement in filter(str.strip, DATABASE.split(";")):
                cursor.execute(statement)
        table, answer = asked_of_a_database(f"mysql+pymysql://root@127.0.0.1:{port}/shop")
    assert "track_id" in table.steps[0].result
    assert [list(row) for row in answer.rows] == [[3]]

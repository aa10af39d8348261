"""Tour: prompts. Templates with variables filled in early, examples to learn from, a folder as a hub with versions.

python examples/tour/prompts.py
"""

import tempfile

from langchain_core.prompts import ChatPromptTemplate

from ziggurat import LLM
from ziggurat.prompts import FewShot, PromptFile, PromptFolder, PromptTurn, shipped


def main(model="fake:echo"):
    """What each form of prompt says to a model."""
    partial = ChatPromptTemplate.from_template("Answer {tone}: {question}").partial(tone="in one word")
    said = {"partial": LLM(partial, model).run("What is the capital of Portugal?")}

    opposites = PromptFile(
        name="opposites",
        about="The opposite of a word.",
        variables={"word": "Any adjective."},
        needs=["word"],
        prompts={
            "en": [
                PromptTurn(system="You give the opposite of a word."),
                PromptTurn(
                    examples=FewShot(
                        turns=[PromptTurn(human="{word}"), PromptTurn(ai="{opposite}")],
                        values=[{"word": "tall", "opposite": "short"}, {"word": "happy", "opposite": "sad"}],
                    )
                ),
                PromptTurn(human="{word}"),
            ],
            "zh": [PromptTurn(system="你给出反义词。"), PromptTurn(human="{word}")],
        },
    )
    said["few shot"] = opposites.template().format_prompt(word="bright").to_string()

    with tempfile.TemporaryDirectory() as folder:
        hub = PromptFolder(folder)
        hub.push(opposites)
        changed = opposites.model_copy(update={"about": "The opposite of an adjective."})
        said["versions"] = (hub.push(changed).version, hub.versions("opposites"), hub.pull("opposites", 1).about)

    # Every stage's own prompt can be read and replaced: `ziggurat prompts show summarize.stuff --lang zh`.
    said["a summary in Chinese"] = shipped("summarize.stuff").template("zh").messages[0].prompt.template
    for name, text in said.items():
        print(f"# {name}\n{text}\n")
    return said


if __name__ == "__main__":
    main()

"""The lab as a script: run it whole, or cell by cell in an editor that knows ``# %%``.

The notebook beside it holds the same cells; ``notebook.py`` writes it from this file.
"""
# ruff: noqa: E402 (a cell imports what it shows)

# %% [markdown]
# # The lab: several stages of reasoning as one chain
#
# You put a few texts into a vector index, answer questions from them, make pictures, and run both
# kinds of task as one `MultiChain`. Everything runs on this machine and needs no key; the first run
# downloads two small models. Set `MODEL` below to use OpenAI instead.
#
# The steps and names are those of a well-known exercise that was written against classes of which
# some never existed. Where a call could not work, one sentence says so and shows what stands there.

# %% [markdown]
# ## Steps 1 and 2: a workspace and a cluster, if you want one
#
# Nothing below needs a cloud. To follow along on Azure Databricks: create an *Azure Databricks*
# resource in the Azure portal, launch its workspace, make the smallest compute the workspace offers,
# and import this notebook there. A single node is enough, for nothing here uses Spark.

# %% [markdown]
# ## Step 3: install and choose a model
#
# ```
# pip install ".[laptop]"            # in a checkout of this project; in a notebook: %pip install ...
# pip install ".[laptop,openai]"     # and OpenAI's clients
# ```
#
# A key belongs in the environment (`OPENAI_API_KEY`) and not in a notebook that others will read.
# Having one changes nothing by itself: what is called is what `MODEL` names.

# %%
import os
from pathlib import Path

MODEL = os.environ.get("LAB_MODEL", "local:qwen2.5-coder-0.5b")  # or "openai:gpt-4.1"
OUT = Path("demo-output")

# %% [markdown]
# ## Step 4: embed the texts and index them
#
# GPT-4 makes no embeddings, so a model made for that does: OpenAI's through `OpenAIEmbeddings`, or a
# multilingual one that runs here.

# %%
from ziggurat import embeddings as open_embeddings
from ziggurat.cli.demo import TEXTS

sample_texts = list(TEXTS.values())

if MODEL.startswith("openai:"):
    from langchain_openai import OpenAIEmbeddings

    # The lengths are not counted beforehand: counting fetches a vocabulary, and these texts are short.
    embeddings_model = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False)
else:
    embeddings_model = open_embeddings()

embeddings = embeddings_model.embed_documents(sample_texts)
print(f"{len(embeddings)} texts, {len(embeddings[0])} numbers each")

# %% [markdown]
# FAISS finds the vectors closest to that of a question. It knows vectors only: it says *which* text is
# closest and how far away it is, by position.

# %%
import faiss
import numpy as np

dimension = len(embeddings[0])
index = faiss.IndexFlatL2(dimension)
index.add(np.array(embeddings, dtype=np.float32))

question = embeddings_model.embed_query("Which platform is built on Spark?")
distances, positions = index.search(np.array([question], dtype=np.float32), k=1)
print(f"closest: {list(TEXTS)[positions[0][0]]}, squared distance {distances[0][0]:.3f}")

# %% [markdown]
# ## Step 5: answer from what is found
#
# `FAISS(index, embeddings_model)` had no texts to give back, only vectors. A store is built from texts;
# `VectorIndex` stands in its place, with the same calls. It keeps the texts beside the vectors,
# searches words as well as meaning, and knows where each passage came from.

# %%
from ziggurat import VectorIndex

FAISS = VectorIndex
vector_store = FAISS.from_texts(sample_texts, embeddings_model, [{"source": name} for name in TEXTS])
retriever = vector_store.as_retriever()

# %% [markdown]
# `OpenAI` is the class of an older API that GPT-4 was never on, so `chat` opens a chat model by name.
# LangChain's `load_qa_chain` took no retriever; this one does, and `RetrievalQA` is what it makes.

# %%
from ziggurat import RetrievalQA, chat, load_qa_chain

llm = chat(MODEL)
qa_chain: RetrievalQA = load_qa_chain(llm, retriever)

result = qa_chain.run("What is Azure Databricks?")
print(result)

# %% [markdown]
# Each sentence was checked against the passages before you saw it, and the numbers lead to the words it
# rests on. You can check it again yourself: a citation holds if its quote still stands where it says.

# %%
for citation in result.citations:
    print(citation.document, (citation.start, citation.end), citation.holds(TEXTS[citation.document]))

# %% [markdown]
# A question the texts cannot answer gets that as its answer, and not a guess.

# %%
unknown = qa_chain.run("Who won the football World Cup in 1998?")
print(unknown, f"(found: {unknown.found})")

# %% [markdown]
# ## Step 6: make a picture
#
# The exercise returned a sentence about an image; here `generate_image` returns one. `SimpleChain`
# was in no release of LangChain: it is a function with names for what goes in and what comes out. With
# no image model named, a diagram is written by the chat model and laid out here, and any other prompt
# is painted by a program and says so in the picture. `ImageGeneration("openai:gpt-image-1")` would
# make a photograph.

# %%
from ziggurat import ImageGeneration, Picture, SimpleChain

painter = ImageGeneration(chat=llm, retriever=vector_store)


def generate_image(prompt: str) -> Picture:
    """Make a picture of what the prompt says."""
    return painter.run(prompt)


def show(picture: Picture, name: str) -> Picture:
    """Save a picture and return it: a notebook shows the value a cell ends with."""
    print(picture.kind, picture.save(OUT / name))
    return picture


image_generation_chain = SimpleChain(input_variables=["prompt"], output_variables=["image"], transform=generate_image)

image_result = image_generation_chain.run(prompt="A futuristic city with flying cars")
show(image_result, "flying-cars.png")

# %% [markdown]
# ## Step 7: both kinds of task as one chain
#
# `MultiChain` was in no release of LangChain either. It takes named chains; a stage starts the moment
# its own inputs are there, so these two run side by side.

# %%
from ziggurat import MultiChain

multi_chain = MultiChain(
    chains=[
        {"name": "qa", "chain": qa_chain},
        {"name": "image_generation", "chain": image_generation_chain},
    ]
)

multi_task_output = multi_chain.run(
    {
        "qa": {"question": "Tell me about LangChain."},
        "image_generation": {"prompt": "A conceptual diagram of LangChain in use"},
    }
)
print(multi_task_output["qa"])
show(multi_task_output["image_generation"], "langchain-in-use.png")

# %% [markdown]
# Two tasks side by side are not yet several stages of reasoning. For that, one stage feeds the next:
# here the picture is made from the answer. A name in braces is a stage, and what follows the dot is a part of its
# output. The picture remembers the sentence it was drawn from.

# %%
from ziggurat import given

reasoning = MultiChain(
    qa=qa_chain,
    picture=given(image_generation_chain, prompt="A diagram of LangChain in use. {qa.text}"),
)
outputs = reasoning.run(question="What is LangChain?")
print(outputs["qa"].text)
print(outputs["picture"].provenance["Description"])
show(outputs["picture"], "from-the-answer.png")

# %% [markdown]
# ## Step 8: clean up
#
# The index of this lab lives in a temporary directory and goes when it is closed; give `from_texts` a
# `path` to keep it. If you made a cluster for steps 1 and 2, terminate it on the *Compute* page, and delete the
# Azure Databricks resource if you want nothing left that could be billed.

# %%
vector_store.close()

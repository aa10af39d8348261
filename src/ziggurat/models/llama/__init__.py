"""Local chat: llama.cpp in this process, as a LangChain chat model."""

"""Bytes to documents: finding the type, one adapter per format, and the sandbox that runs them.

``pool.ParserPool`` is the parser port as the program uses it; ``pool.InlineParser`` is the same without
a sandbox. Nothing here imports a parsing library before a document needs it.
"""

"""The reference model server: ``python -m examples.server``.

Kept free of imports, so that ``__main__`` can limit the BLAS threads before numpy is loaded.
"""

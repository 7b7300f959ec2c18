"""Makes the docs site out of the pages, and the reference out of the code."""

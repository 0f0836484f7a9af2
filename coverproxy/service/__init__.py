"""The story of a cover from request to answer, without HTTP."""

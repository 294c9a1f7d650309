"""One codec of the status: what a State becomes in a resource, and what is read back from it."""

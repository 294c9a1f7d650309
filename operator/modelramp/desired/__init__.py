"""The Kubernetes objects that should exist for a state: pure, one module per kind of object."""

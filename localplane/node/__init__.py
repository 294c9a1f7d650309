"""The process node: a Kubernetes node that runs containers as local processes, each pod on an address of its own."""

"""modelramp rolls out machine-learning models on Kubernetes and brings the last working version back by itself."""

__version__ = "0.1.0"

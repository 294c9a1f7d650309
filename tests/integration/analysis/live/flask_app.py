"""A model behind Flask with prometheus-flask-exporter. Run by the Python that has them: flask_app.py PORT."""

import sys

from flask import Flask, jsonify
from prometheus_flask_exporter import PrometheusMetrics

app = Flask("model")
PrometheusMetrics(app)


@app.post("/predict/<kind>")
def predict(kind):
    if kind == "raise":
        raise ValueError("the model failed")
    return jsonify(kind=kind), int(kind)


@app.get("/healthz")
def health():
    return "ok"


app.run("127.0.0.1", int(sys.argv[1]))

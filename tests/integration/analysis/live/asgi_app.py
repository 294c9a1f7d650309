"""A model behind FastAPI with an exporter. Run by the Python that has them: asgi_app.py PORT fastapi|starlette."""

import sys

import uvicorn
from fastapi import FastAPI, HTTPException

app = FastAPI()
if sys.argv[2] == "starlette":
    from starlette_exporter import PrometheusMiddleware, handle_metrics

    app.add_middleware(PrometheusMiddleware)
    app.add_route("/metrics", handle_metrics)
else:
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator().instrument(app).expose(app)


@app.post("/predict/{kind}")
def predict(kind: str):
    if kind == "raise":
        raise ValueError("the model failed")
    if int(kind) >= 400:
        raise HTTPException(int(kind))
    return {"kind": kind}


@app.get("/healthz")
def health():
    return "ok"


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")

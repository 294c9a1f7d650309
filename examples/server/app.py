"""The routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException as AnyHTTPException

from examples.server.edges import BoundedBodies, SheddingConnections
from examples.server.messages import FeedbackRequest, FeedbackResponse, PredictRequest, PredictResponse, explain
from examples.server.service import DigitsService, ModelFailedError, Stage

if TYPE_CHECKING:
    from collections.abc import Callable


def create_app(service: DigitsService) -> FastAPI:
    """The web application around a service; the caller loads the model."""
    app = FastAPI(title="digits", version=service.settings.version, docs_url=None, redoc_url=None)
    app.add_middleware(SheddingConnections, draining=lambda: service.stage is Stage.DRAINING)
    app.add_middleware(BoundedBodies, on_refusal=_counter(service, "too-large"))
    _routes_for_the_platform(app, service)
    _routes_for_clients(app, service)
    _refusals(app, service)
    return app


def _counter(service: DigitsService, reason: str) -> Callable[[], None]:
    return service.telemetry.refused.labels(reason).inc


def _routes_for_the_platform(app: FastAPI, service: DigitsService) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "up", "stage": service.stage}

    @app.get("/ready")
    async def ready(response: Response) -> dict[str, str]:
        response.status_code = 200 if service.stage is Stage.READY else 503
        return {"stage": service.stage}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(service.telemetry.exposition(), media_type=CONTENT_TYPE_LATEST)


def _routes_for_clients(app: FastAPI, service: DigitsService) -> None:
    @app.post("/predict")
    async def predict(asked: PredictRequest) -> PredictResponse:
        if not service.loaded:
            service.telemetry.refused.labels("not-ready").inc()
            raise HTTPException(503, "the model is still loading; ask again when /ready answers 200")
        try:
            answer = await service.predict(asked.instances, asked.group or "")
        except ModelFailedError as error:
            raise HTTPException(500, str(error)) from error
        return PredictResponse(
            predictions=list(answer.predictions),
            version=service.settings.version,
            revision=service.settings.revision,
            requestId=answer.request_id,
        )

    @app.post("/feedback")
    async def feedback(told: FeedbackRequest) -> FeedbackResponse:
        judgement = service.learn(told.requestId, told.labels)
        answered_by = judgement.answered.revision if judgement.answered else None
        return FeedbackResponse(fate=judgement.fate, answeredBy=answered_by)


def _refusals(app: FastAPI, service: DigitsService) -> None:
    @app.exception_handler(RequestValidationError)
    async def refused(request: Request, error: RequestValidationError) -> JSONResponse:
        if request.url.path == "/predict":
            service.telemetry.refused.labels("invalid").inc()
        return JSONResponse({"error": explain(error.errors())}, 422)

    @app.exception_handler(AnyHTTPException)
    async def failed(_: Request, error: AnyHTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

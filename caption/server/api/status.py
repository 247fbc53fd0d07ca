"""The endpoints for operators: models, liveness, readiness, figures."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from caption.errors import CaptionError
from caption.hub.find import folder_state
from caption.hub.specs import CAPTIONER, MODELS
from caption.locale import phrases
from caption.server.api.schema import GUARDED, responses
from caption.server.service import Service


class ModelState(BaseModel):
    name: str
    title: str
    parameters: int
    size_bytes: int
    state: Literal["present", "missing", "damaged"]
    writes: bool  # else it checks what others write


class CurrentModel(BaseModel):
    name: str
    device: str
    precision: str


class Models(BaseModel):
    """`current` is the one that speaks."""

    current: CurrentModel
    models: list[ModelState]


class Health(BaseModel):
    status: Literal["ok", "ready"]


def add_status_routes(api: FastAPI, service: Service) -> None:
    @api.get("/api/v1/models", responses=responses(*GUARDED))
    def models() -> Models:
        """The model that speaks, and those that could."""
        describer = service.describer
        current = CurrentModel(
            name=describer.name, device=describer.device, precision=describer.precision
        )
        damaged = {model.name for model in describer.damaged}
        return Models(current=current, models=model_states(damaged))

    @api.get("/livez", responses=responses(*GUARDED))
    async def livez() -> Health:
        """Whether the process answers."""
        return Health(status="ok")

    @api.get("/readyz", responses=responses(*GUARDED, "draining"))
    async def readyz() -> Health:
        """Whether descriptions are taken on. The model is loaded and warm before the server starts."""
        if service.gate.draining:
            raise CaptionError("the service is stopping", code="draining")
        return Health(status="ready")

    @api.get("/metrics", response_class=PlainTextResponse, responses=responses(*GUARDED))
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.text(), media_type=service.metrics.content_type)


def model_states(damaged: Collection[str]) -> list[ModelState]:
    """Every model of the registry. `damaged`: names of those that failed to load: some damage shows
    only then.
    """
    return [
        ModelState(
            name=spec.name,
            title=phrases.model_title(spec.name),
            parameters=spec.parameters,
            size_bytes=spec.approx_bytes,
            state="damaged" if spec.name in damaged else folder_state(spec),
            writes=spec.kind is CAPTIONER,
        )
        for spec in MODELS.values()
    ]

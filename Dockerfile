# The page and the HTTP API on port 29999. Build and start: docker compose up --build (see docker-compose.yml).
FROM python:3.12-slim

# Extra arguments for pip, e.g. --extra-index-url of PyTorch's CPU wheels: without it torch brings several GB of CUDA libraries.
ARG PIP_ARGUMENTS=""

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app

# The models' folder exists, and is the user's, before anything is copied or mounted there: downloads go into it.
RUN useradd --create-home --uid 10001 blip && install --directory --owner=blip --group=blip models

COPY requirements.txt ./
# hadolint ignore=SC2086
RUN pip install --no-cache-dir ${PIP_ARGUMENTS} -r requirements.txt

COPY --chown=blip:blip models ./models
COPY caption ./caption
COPY blip_gradio.py ./
COPY LICENSE ./
COPY THIRD_PARTY_NOTICES.md ./

USER 10001

EXPOSE 29999
# A first start loads a model of up to 1.9 GB. No proxy of the environment stands between a container and itself.
HEALTHCHECK --start-period=180s --interval=30s --timeout=5s \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:29999/readyz', timeout=4)"]
# SIGTERM drains what is running for at most 10 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "blip_gradio.py"]

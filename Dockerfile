# The operator's image:   docker build -t modelramp/operator:0.1.0 .
#
# BASE is both the place where it is built and what it runs on: any Debian-like image with Python >= 3.11, its venv and
# pip. A release pins it by digest:   --build-arg BASE=python:3.13-slim-bookworm@sha256:...
# All that pip fetches, what builds the package too, is pinned by hash: make lock.
# Runs as 65532 with a read-only root: it writes no file.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# Dependencies first: they change less often than the code, so the layer is kept.
COPY operator/requirements.lock operator/build-requirements.lock operator/
RUN python3 -m venv --without-pip /opt/modelramp \
 && python3 -m pip --python /opt/modelramp/bin/python install --no-cache-dir --no-compile --only-binary=:all: \
      --require-hashes --requirement operator/requirements.lock \
 && python3 -m venv --without-pip /opt/build \
 && python3 -m pip --python /opt/build/bin/python install --no-cache-dir --only-binary=:all: \
      --require-hashes --requirement operator/build-requirements.lock
COPY pyproject.toml README.md ./
COPY crds crds
COPY operator operator
RUN python3 -m pip --python /opt/build/bin/python wheel --no-cache-dir --no-index --no-build-isolation --no-deps \
      --wheel-dir dist . \
 && python3 -m pip --python /opt/modelramp/bin/python install --no-cache-dir --no-compile --no-index --no-deps \
      dist/*.whl \
 && /opt/modelramp/bin/python -m compileall -q -j 0 /opt/modelramp/lib

FROM ${BASE}
ENV PATH=/opt/modelramp/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=build /opt/modelramp /opt/modelramp
USER 65532:65532
WORKDIR /
EXPOSE 8080
ENTRYPOINT ["python", "-m", "modelramp"]

# The service in a container: `docker build -t metaservice .`
# The guest is built here, so that a container starts at once and needs nothing but its data to be writable.
# The Python that the tests run on.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY constraints.txt pyproject.toml README.md ./
COPY server ./server
COPY wasm_runtime ./wasm_runtime
COPY guest ./guest
COPY store ./store
COPY tools ./tools
RUN python -m venv /opt/metaservice \
    && /opt/metaservice/bin/pip install --constraint constraints.txt '.[cluster,otel]'
# Native code that the service trusts: root's, and only to be read by the service.
RUN cd / && LARS_CACHE_DIR=/opt/metaservice/guest /opt/metaservice/bin/python -m tools.build_guest \
    && chmod -R a+rX,go-w /opt/metaservice

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin metaservice \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data \
    && install --directory /etc/metaservice
COPY --from=build /opt/metaservice /opt/metaservice
ENV PATH=/opt/metaservice/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    LARS_HOST=0.0.0.0 \
    LARS_PORT=8000 \
    LARS_CACHE_DIR=/opt/metaservice/guest \
    SANDBOX_DATA_ROOT=/data
# A metaservice.toml that is mounted here is read.
WORKDIR /etc/metaservice
VOLUME /data
EXPOSE 8000
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python", "-m", "tools.healthy"]
ENTRYPOINT ["metaservice"]
CMD ["serve"]

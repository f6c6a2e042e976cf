# Thin on purpose: the lock, the wheel, run. The same three steps work in any virtual environment (docs/deployment.md).
FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --quiet --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
COPY requirements.lock /tmp/requirements.lock
RUN pip install --quiet --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.lock
COPY --from=build /wheels /wheels
RUN pip install --quiet --no-cache-dir --no-deps /wheels/*.whl && rm -r /wheels \
    && useradd --create-home xpcs && install -d -o xpcs /state /data
USER xpcs
ENV XPCS_DASH_STATE_DIR=/state
VOLUME ["/state"]
EXPOSE 8050
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8050/health', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["xpcs-dash"]
CMD ["serve", "/data", "--host", "0.0.0.0", "--port", "8050"]

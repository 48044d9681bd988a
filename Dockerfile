FROM python:3.11.13-slim-bookworm AS build

COPY requirements.lock .
RUN python -m venv /venv
RUN /venv/bin/pip install --no-cache-dir --requirement requirements.lock
RUN /venv/bin/pip uninstall --yes setuptools pip

FROM python:3.11.13-slim-bookworm

# The app needs no package manager, Perl or pip; an intruder would.
RUN rm -rf /usr/bin/apt* /usr/bin/dpkg* /usr/bin/perl* /usr/local/bin/pip* \
    /usr/local/lib/python3.11/site-packages/pip /usr/local/lib/python3.11/ensurepip
RUN useradd --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin --uid 10001 plumage

WORKDIR /plumage
COPY --from=build /venv /venv
COPY .streamlit .streamlit
COPY plumage plumage
COPY streamlit_app streamlit_app
COPY checkpoints checkpoints

USER plumage
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8501
HEALTHCHECK --interval=10s --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:8501/_stcore/health')"]
CMD ["streamlit", "run", "streamlit_app/main.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]

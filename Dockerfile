FROM python:3.11-slim-bookworm

WORKDIR /plumage
COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt
RUN useradd --create-home plumage
COPY .streamlit .streamlit
COPY streamlit_app streamlit_app
COPY checkpoints checkpoints

USER plumage
EXPOSE 8501
HEALTHCHECK CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://localhost:8501/_stcore/health')"]
CMD ["streamlit", "run", "streamlit_app/main.py", "--server.address=0.0.0.0", "--server.port=8501"]

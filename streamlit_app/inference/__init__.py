"""From a photo to an answer, without Streamlit."""

"""Frames in, Altair charts out; no Streamlit, no database."""

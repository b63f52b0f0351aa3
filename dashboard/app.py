"""The dashboard's pages."""

import streamlit as st

from dashboard import theme
from dashboard.controls import colours
from dashboard.views import model_card

st.set_page_config(page_title="Ratecard", page_icon=":material/price_change:", layout="wide")
page = st.navigation(
    [
        st.Page(model_card.page, title="Model card", icon=":material/badge:", url_path="model", default=False),
    ],
    position="top",
)
st.html(theme.stylesheet(colours()))
page.run()

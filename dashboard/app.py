"""The dashboard's pages."""

import streamlit as st

from dashboard import theme
from dashboard.controls import colours
from dashboard.views import collector, model_card, models, overview, prices, projection, providers, spend

st.set_page_config(page_title="Ratecard", page_icon=theme.ICON, layout="wide")
page = st.navigation(
    [
        st.Page(overview.page, title="Overview", icon=":material/monitoring:", default=True),
        st.Page(models.page, title="Models", icon=":material/list:", url_path="models"),
        st.Page(model_card.page, title="Model card", icon=":material/badge:", url_path="model"),
        st.Page(providers.page, title="Providers", icon=":material/compare_arrows:", url_path="providers"),
        st.Page(spend.page, title="Spend", icon=":material/payments:", url_path="spend"),
        st.Page(projection.page, title="Projection", icon=":material/trending_up:", url_path="projection"),
        st.Page(prices.page, title="Price history", icon=":material/timeline:", url_path="prices"),
        st.Page(collector.page, title="Collector", icon=":material/sync:", url_path="collector"),
    ],
    position="top",
)
st.logo(theme.wordmark(colours()), size="large")
st.html(theme.stylesheet(colours()))
page.run()

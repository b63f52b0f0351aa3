"""The catalogue: models, providers, endpoints, and what a source said of each besides its price."""

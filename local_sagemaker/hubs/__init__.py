"""What lies in hubs: models, notebooks and data sets, by version."""

"""What the tests share: paths, tiny models, a describer that does as it is told, hubs and pages to
talk to.
"""

"""From a trained model to the fastest variant that still does its task: passes, recipes, measurement, gate, search.

Takes a model folder and samples of what it sees; gives variants (model folders) and a report. Who judges a variant in
closed loop is handed in. May import infer, store, report, observe and core.
"""

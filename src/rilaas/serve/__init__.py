"""Serving: model folders in, Open Inference Protocol v2 over gRPC out.

A light front (``front``) hands each request, unparsed, to a replica process per model behind a unix socket.
Only a replica's own process loads ``infer``. Imports infer and store (replica), wire, observe, core.
"""

"""Long work: a process that takes queued jobs, says how far it is, and can be ended at any moment without loss.

``python -m rilaas.hub.worker`` is the process, ``kind`` the table of what it can do; a kind is a function that takes
a ``Work``. What a job has done is on the disk before it counts, so another attempt goes on where this one ended.
"""

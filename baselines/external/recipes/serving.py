"""What the workers of recipes share; run by the Python of their environment, imports nothing else
of ours.
"""

import json
import sys


def serve(worker):
    """Answers one request a line (see docs/worker.md) by the worker's method of that name."""
    for line in sys.stdin:
        request = json.loads(line)
        number, (what, content) = request.pop("id"), next(iter(request.items()))
        try:
            answer = {"id": number, "done": getattr(worker, what)(**content)}
        except Exception as error:
            answer = {"id": number, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)

"""What the server says of itself to people: a page that needs nothing else."""

from html import escape
from typing import TYPE_CHECKING

import orjson

from seldon.serving.answer import Identity
from seldon.serving.model import Model
from seldon.serving.openapi import FAULTS, openapi

if TYPE_CHECKING:
    from seldon.serving.limits import Limits

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
pre{background:#f3f5f7;padding:1rem;overflow:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde3e8;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#12181e;color:#dbe3ea}pre{background:#1c252e}
td,th{border-color:#2b3742}a{color:#7db7ff}}"""


def docs_page(model: Model, identity: Identity, limits: "Limits") -> bytes:
    """Return the page: how to ask, which columns there are, what is refused."""
    shown = [entry for entry in model.inputs if entry.required] or list(model.inputs[:2])
    example = {"jsonData": [{entry.name: 12 if entry.kind == "numeric" else "gold" for entry in shown}]}
    rows = "".join(
        f"<tr><td><code>{escape(entry.name)}</code></td><td>{'number' if entry.kind == 'numeric' else 'text'}"
        f"{', required' if entry.required else ''}</td><td>{escape(entry.description)}</td></tr>"
        for entry in model.inputs
    )
    document = openapi(model, identity, limits)
    paths = "".join(
        f"<tr><td>{', '.join(method.upper() for method in methods)}</td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(next(iter(methods.values()))['summary'])}</td></tr>"
        for path, methods in document["paths"].items()
    )
    faults = "".join(f"<tr><td>{code}</td><td>{text}</td></tr>" for code, text in FAULTS.items())
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(identity.deployment)}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>
<h1>Churn predictions of {escape(identity.deployment)}</h1>
<p>Version {escape(identity.version)} ({identity.track}), {escape(model.candidate)}, digest
<code>{escape(identity.digest[:12])}</code>. A customer with a score of at least {model.threshold:.4g} is contacted.</p>
<pre>curl -H 'content-type: application/json' -d '{escape(orjson.dumps(example).decode())}' \\
  http://HOST:PORT/api/v1.0/predictions</pre>
<p>At most {limits.rows} rows and {limits.body} bytes a request. <a href="seldon.json">OpenAPI document</a></p>
<h2>Paths</h2><table>{paths}</table><h2>Refusals</h2><table>{faults}</table>
<h2>Columns</h2><p>Unknown values are null or left out; required ones are never unknown.</p>
<table>{rows}</table></html>""".encode()

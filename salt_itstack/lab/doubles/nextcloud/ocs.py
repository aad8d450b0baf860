"""OCS: the envelope of both versions, the provisioning routes and user_oidc's settings API."""

import json
import re
import urllib.parse
import xml.sax.saxutils

from salt_itstack.lab.doubles.nextcloud import ocs_oidc, ocs_people, phpvalues, web
from salt_itstack.lab.doubles.nextcloud.ocs_routes import Failure

_UNKNOWN = (
    "Invalid query, please check the syntax. API specifications are here:"
    " http://www.freedesktop.org/wiki/Specifications/open-collaboration-services.\n"
)
ROUTES = (*ocs_people.ROUTES, *ocs_oidc.ROUTES)


class MissingParameter(Exception):
    """A required parameter is absent: 400 without a body."""


class Call:
    """One OCS call: who asks, the parameters, and the installation."""

    def __init__(self, installation, login, request):
        self.installation = installation
        self.people = installation.people
        self.database = installation.database
        self.login = login
        self.parameters = {**request.query, **_body(request)}

    def need(self, name):
        """A parameter that must be there. Raises :class:`MissingParameter`."""
        if self.parameters.get(name) is None:
            raise MissingParameter(name)
        return self.parameters[name]

    def number(self, name, default=None):
        """A whole-number parameter or ``default``."""
        value = self.parameters.get(name)
        return default if value in (None, "") else int(value)


def _body(request):
    kind = request.header("content-type").split(";")[0].strip().lower()
    if kind == "application/json":
        try:
            value = json.loads(request.body or b"{}")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}
    if kind != "application/x-www-form-urlencoded":
        return {}
    found = {}
    for name, value in urllib.parse.parse_qsl(
        request.body.decode("utf-8", "replace"), keep_blank_values=True
    ):
        if name.endswith("[]"):
            found.setdefault(name[:-2], []).append(value)
        else:
            found[name] = value
    return found


class Envelope:
    """How one request wants its answers: version 1 or 2, JSON or XML."""

    def __init__(self, request):
        self.version = 2 if request.path.startswith("/ocs/v2.php") else 1
        wanted = request.query.get("format") or ("json" if "json" in request.header("accept") else "xml")
        self.json = wanted == "json"

    def good(self, data):
        """The answer for success."""
        return self._answer(200, "ok", 100 if self.version == 1 else 200, "OK", data)

    def bad(self, code, message="", data=None, status=None):
        """The answer for a failure; its HTTP status follows the version's rules unless ``status`` is
        given."""
        if status is None:
            status = (401 if code == 997 else 200) if self.version == 1 else _status(code)
        return self._answer(status, "failure", code, message, [] if data is None else data)

    def _answer(self, status, word, code, message, data):
        meta = {"status": word, "statuscode": code, "message": message}
        if self.version == 1:
            meta.update({"totalitems": "", "itemsperpage": ""})
        if self.json:
            return web.json_answer(status, {"ocs": {"meta": meta, "data": data}})
        text = f'<?xml version="1.0"?>\n<ocs>\n <meta>\n{_xml(meta, "  ")} </meta>\n'
        text += (
            f" <data>\n{_xml(data, '  ')} </data>\n</ocs>\n" if data not in ([], {}) else " <data/>\n</ocs>\n"
        )
        return web.Answer(status, text.encode(), [("Content-Type", "text/xml; charset=UTF-8")])


def _status(code):
    if code in (997, 998, 996, 999):
        return {997: 401, 998: 404}.get(code, 500)
    return 400 if code < 200 or code > 600 else code


def _xml(data, indent):
    text = ""
    for name, value in phpvalues.as_map(data).items():
        tag = "element" if isinstance(name, int) else name
        if isinstance(value, (dict, list)):
            inner = _xml(value, f"{indent} ")
            text += f"{indent}<{tag}>\n{inner}{indent}</{tag}>\n" if inner else f"{indent}<{tag}/>\n"
        else:
            shown = "" if value is None else ("1" if value else "") if isinstance(value, bool) else str(value)
            shown = xml.sax.saxutils.escape(shown)
            text += f"{indent}<{tag}>{shown}</{tag}>\n" if shown else f"{indent}<{tag}/>\n"
    return text


def nobody(envelope, kind):
    """The answer to a request without a valid login; ``kind`` as in :class:`~.web.NotLoggedIn`."""
    if kind == "throttled":
        return envelope.bad(429, "Reached maximum delay", status=429)
    if kind == "nobody":
        return envelope.bad(997, "Current user is not logged in")
    answer = envelope.bad(997, "Unauthorised")
    return answer.with_header("WWW-Authenticate", 'Basic realm="Authorisation Required"')


def answer(installation, request, login):
    """The answer to an authenticated OCS request."""
    envelope = Envelope(request)
    found = _route(request)
    if not request.header("ocs-apirequest"):
        return web.json_answer(412, {"message": "CSRF check failed"})
    if found == "method":
        return web.Answer(405, b"", [("Content-Type", "application/json; charset=utf-8")])
    if found is None:
        return envelope.bad(998, _UNKNOWN)
    route, names = found
    try:
        if route.admin and not installation.people.is_admin(login.uid):
            raise Failure(403, route.refusal)
        if route.confirm and login.by == "token":
            raise Failure(403, "Password confirmation is required")
        call = Call(installation, login, request)
        return envelope.good(route.run(call, *names))
    except Failure as failure:
        return envelope.bad(failure.code, str(failure), failure.data)
    except MissingParameter:
        return web.empty(400)


def _route(request):
    path = re.sub(r"^/ocs/v[12]\.php", "", request.raw_path).rstrip("/")
    known = False
    for route in ROUTES:
        match = re.fullmatch(route.pattern, path)
        if match:
            if route.method == request.method:
                return route, [urllib.parse.unquote(name) for name in match.groups()]
            known = known or route.strict
    return "method" if known else None

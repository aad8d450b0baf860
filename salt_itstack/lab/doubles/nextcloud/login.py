"""user_oidc's pages: the start of a login, its return with a code, single and backchannel logout."""

import base64
import hashlib
import json
import secrets
import string
import time
import urllib.parse

import jwt
import requests

from salt_itstack.lab.doubles.nextcloud import cache, outgoing, web
from salt_itstack.lab.doubles.nextcloud.providers import APP, Providers, Undecipherable
from salt_itstack.lab.doubles.nextcloud.provisioning import Provisioning, requested_claims

_DISCOVERY_LIFETIME = 3600
_KEYS_LIFETIME = 300
_LEEWAY = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512"]
_FAILURES = (requests.RequestException, OSError, outgoing.Refused, ValueError)


class Refusal(Exception):
    """Ends the flow with an error page."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Pages:
    """The app's routes for one request. ``session`` is the request's session (a dict, changed in place)."""

    def __init__(self, installation, origin, sessions, identifier, session):
        self.installation = installation
        self.origin = origin
        self.sessions = sessions
        self.identifier = identifier
        self.session = session
        self.options = installation.config.get("user_oidc") or {}

    def answer(self, request, route):
        """The answer to ``/apps/user_oidc/<route>``, None when the app has no such route."""
        handlers = {"code": self._code, "sls": self._single_logout}
        word, _, rest = route.partition("/")
        try:
            if word == "login" and rest.isdigit() and request.method == "GET":
                return self._login(int(rest), request.query.get("redirectUrl"))
            if word == "backchannel-logout" and rest and request.method == "POST":
                return self._backchannel(rest, request)
            if route in handlers and request.method == "GET":
                return handlers[route](request)
        except Refusal as refusal:
            title = "Access forbidden" if refusal.status in (400, 403) else "Error"
            return web.page(refusal.status, f"Nextcloud - {title}", str(refusal))
        return None

    # -- what the flow needs

    def _secure(self):
        insecure = self.installation.database.app_value(APP, "allow_insecure_http") == "1"
        if (
            self.origin.scheme != "https"
            and not insecure
            and self.installation.config.get("debug") is not True
        ):
            raise Refusal(404, "You must access Nextcloud with HTTPS to use OpenID Connect.")

    def _providers(self):
        return Providers(self.installation.database, self.installation.config)

    def _discovery(self, provider):
        """The provider's discovery document, kept for an hour in the distributed cache when there is one."""
        shared = cache.distributed(self.installation.config)
        if shared is None:
            return self._fetch(provider.discovery)
        try:
            name = f"{shared.prefix}/user_oidc/discovery-{provider.discovery}"
            kept = shared.call("GET", name)
            if kept is None:
                kept = json.dumps(self._fetch(provider.discovery))
                shared.call("SET", name, kept, "EX", _DISCOVERY_LIFETIME)
            return json.loads(kept)
        finally:
            shared.close()

    def _fetch(self, url):
        return outgoing.call(self.installation, "GET", url).json()

    def _callback(self):
        return self.origin.url("/apps/user_oidc/code")

    def _with_pkce(self, discovery):
        announced = "S256" in (discovery.get("code_challenge_methods_supported") or [])
        return announced and bool(self.options.get("use_pkce", True))

    # -- the start

    def _login(self, number, redirect_after):
        if self.session.get("uid"):
            return web.redirect(redirect_after if _local(redirect_after) else self.origin.base())
        self._secure()
        providers = self._providers()
        provider = providers.by_id(number)
        if provider is None:
            raise Refusal(404, "There is no such OpenID Connect provider.")
        try:
            discovery = self._discovery(provider)
            endpoint = discovery["authorization_endpoint"]
        except (*_FAILURES, KeyError, TypeError):
            raise Refusal(404, "Could not reach the OpenID Connect provider.")
        state, nonce = _random(32), _random(32)
        self.session.update({"state": state, "nonce": nonce, "provider": number, "after": redirect_after})
        parameters = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(provider.discovery).query))
        parameters.update(
            {
                "client_id": provider.client_id,
                "response_type": "code",
                "scope": provider.scope,
                "redirect_uri": self._callback(),
                "claims": requested_claims(Provisioning(self.installation, providers, provider)),
                "state": state,
                "nonce": nonce,
            }
        )
        if isinstance(self.options.get("prompt"), str):
            parameters["prompt"] = self.options["prompt"]
        if self._with_pkce(discovery):
            verifier = _random(128, string.ascii_letters + string.digits)
            self.session["verifier"] = verifier
            digest = hashlib.sha256(verifier.encode()).digest()
            parameters["code_challenge"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            parameters["code_challenge_method"] = "S256"
        joint = "&" if "?" in endpoint else "?"
        return web.redirect(endpoint + joint + urllib.parse.urlencode(parameters))

    # -- the return

    def _code(self, request):
        self._secure()
        query = request.query
        if query.get("error"):
            raise Refusal(400, "The identity provider failed to authenticate the user.")
        if not self.session.get("state") or query.get("state") != self.session["state"]:
            raise Refusal(403, "The received state does not match the expected value.")
        providers = self._providers()
        provider = providers.by_id(self.session.get("provider"))
        if provider is None:
            raise Refusal(404, "There is no such OpenID Connect provider.")
        try:
            secret = providers.secret(provider)
        except Undecipherable:
            raise Refusal(400, "Failed to decrypt the OIDC provider client secret")
        discovery = self._discovery(provider)
        tokens = self._tokens(provider, secret, discovery, query.get("code", ""))
        claims = self._verified(providers, provider, discovery, tokens["id_token"])
        enriched = self.options.get("enrich_login_id_token_with_userinfo") or providers.on(
            provider.id, "enrichLoginIdTokenWithUserinfo"
        )
        if enriched and discovery.get("userinfo_endpoint"):
            more = outgoing.call(
                self.installation,
                "GET",
                discovery["userinfo_endpoint"],
                headers={"Authorization": f"Bearer {tokens['access_token']}"},
            ).json()
            claims = {**more, **claims}
        self._check(claims, provider, discovery)
        return self._enter(providers, provider, claims, tokens["id_token"])

    def _tokens(self, provider, secret, discovery, code):
        form = {"code": code, "redirect_uri": self._callback(), "grant_type": "authorization_code"}
        if self._with_pkce(discovery):
            form["code_verifier"] = self.session.get("verifier", "")
        arguments = {}
        method = self.options.get("default_token_endpoint_auth_method", "client_secret_basic")
        if "client_secret_post" in (discovery.get("token_endpoint_auth_methods_supported") or []):
            method = "client_secret_post"
        if method == "client_secret_post":
            form.update({"client_id": provider.client_id, "client_secret": secret})
        else:
            arguments["auth"] = (provider.client_id, secret)
        message = "Failed to contact the OIDC provider token endpoint"
        try:
            answer = outgoing.call(
                self.installation,
                "POST",
                discovery["token_endpoint"],
                data=form,
                allow_redirects=False,
                **arguments,
            )
            tokens = answer.json()
        except requests.HTTPError as failure:
            raise Refusal(403, message + _description(failure.response))
        except _FAILURES:
            raise Refusal(403, message)
        if not isinstance(tokens, dict) or "id_token" not in tokens:
            raise Refusal(403, message)
        return tokens

    def _keys(self, providers, provider, discovery, fresh):
        kept = providers.get(provider.id, "jwksCache")
        since = providers.get(provider.id, "jwksCacheTimestamp", "0")
        if kept and not fresh and time.time() - int(since) < _KEYS_LIFETIME:
            return json.loads(kept)
        found = self._fetch(discovery["jwks_uri"])
        providers.set(provider.id, "jwksCache", json.dumps(found))
        providers.set(provider.id, "jwksCacheTimestamp", str(int(time.time())))
        return found

    def _verified(self, providers, provider, discovery, token):
        """The claims of a token whose signature is right. Audience, issuer and nonce are checked by the
        caller."""
        try:
            return _decode(token, self._keys(providers, provider, discovery, fresh=False))
        except jwt.ExpiredSignatureError:
            raise Refusal(403, "The received token is expired.")
        except (jwt.PyJWTError, *_FAILURES):
            # The provider may have new keys: once more with fresh ones, then it is the server's error page.
            return _decode(token, self._keys(providers, provider, discovery, fresh=True))

    def _check(self, claims, provider, discovery):
        if claims.get("exp", 0) < time.time():
            raise Refusal(403, "The received token is expired.")
        if claims.get("iss") != discovery.get("issuer"):
            raise Refusal(403, "The issuer does not match the one from the discovery endpoint")
        off = (False, "false", 0, "0")
        audience = claims.get("aud")
        audience = audience if isinstance(audience, list) else [audience]
        if (
            self.options.get("login_validation_audience_check") not in off
            and provider.client_id not in audience
        ):
            raise Refusal(403, "The audience does not match ours")
        party = claims.get("azp")
        if self.options.get("login_validation_azp_check") not in off and party not in (
            None,
            provider.client_id,
        ):
            raise Refusal(403, "The authorized party does not match ours")
        if claims.get("nonce") not in (None, self.session.get("nonce")):
            raise Refusal(403, "The nonce does not match")

    def _enter(self, providers, provider, claims, token):
        rules = Provisioning(self.installation, providers, provider)
        uid = rules.text(claims, "mappingUid")
        if uid is None:
            raise Refusal(400, "Failed to provision the user")
        if not rules.login_allowed(claims):
            raise Refusal(
                403,
                "You do not have permission to log in to this instance. If you think this is an error, please"
                " contact an administrator.",
            )
        local = rules.person(uid, claims)
        if local is None:
            raise Refusal(400, "Failed to provision the user")
        people = self.installation.people
        if not people.enabled(local):
            # The status for a disabled account isn't confirmed; that it may not enter is.
            raise Refusal(403, "Account disabled")
        people.logged_in(local)
        database = self.installation.database
        database.set_preference(local, APP, "had_token_once", "1")
        after = self.session.get("after")
        self.identifier, number = web.start_session(self.installation, self.sessions, self.identifier, local)
        self.session = self.sessions.load(self.identifier)
        self.session.update({"provider": provider.id, "id_token": token})
        database.run(
            "INSERT INTO oc_user_oidc_sessions (sid, sub, iss, authtoken_id, provider_id) VALUES (%s, %s,"
            " %s, %s, %s)",
            claims.get("sid", "fallback-sid"),
            claims.get("sub", "fallback-sub"),
            claims.get("iss", "fallback-iss"),
            number,
            provider.id,
        )
        return web.redirect(after if _local(after) else self.origin.url("/apps/files/"))

    # -- logout

    def _single_logout(self, _request):
        target = self.origin.base() + "/"
        provider = self._providers().by_id(self.session.get("provider"))
        if provider is not None and self.options.get("single_logout", True):
            endpoint = provider.end_session or self._discovery(provider).get("end_session_endpoint")
            if endpoint:
                parameters = {
                    "post_logout_redirect_uri": provider.post_logout or target,
                    "client_id": provider.client_id,
                }
                if self._providers().on(provider.id, "sendIdTokenHint") and self.session.get("id_token"):
                    parameters["id_token_hint"] = self.session["id_token"]
                target = endpoint + "?" + urllib.parse.urlencode(parameters)
        if self.session.get("token"):
            self._forget(self.session["token"])
        self.session.clear()
        return web.redirect(target)

    def _backchannel(self, identifier, request):
        form = dict(urllib.parse.parse_qsl(request.body.decode("utf-8", "replace")))
        providers = self._providers()
        provider = providers.by_identifier(identifier)
        if provider is None:
            return web.json_answer(
                400, {"error": "invalid_request", "error_description": "provider not found"}
            )
        try:
            discovery = self._discovery(provider)
            claims = self._verified(providers, provider, discovery, form.get("logout_token", ""))
        except (jwt.PyJWTError, Refusal, *_FAILURES):
            return web.json_answer(
                400, {"error": "invalid_request", "error_description": "invalid logout token"}
            )
        audience = claims.get("aud")
        if provider.client_id not in (audience if isinstance(audience, list) else [audience]):
            return web.json_answer(400, {"error": "invalid_request", "error_description": "invalid audience"})
        for (number,) in self.installation.database.run(
            "SELECT authtoken_id FROM oc_user_oidc_sessions WHERE sid = %s AND iss = %s",
            claims.get("sid", ""),
            claims.get("iss", ""),
        ):
            self._forget(number)
        return web.json_answer(200, [])

    def _forget(self, number):
        database = self.installation.database
        database.run("DELETE FROM oc_authtoken WHERE id = %s", number)
        database.run("DELETE FROM oc_user_oidc_sessions WHERE authtoken_id = %s", number)


def _decode(token, keys):
    header = jwt.get_unverified_header(token)
    for key in jwt.PyJWKSet.from_dict(keys).keys:
        if header.get("kid") in (None, key.key_id) or key.key_id is None:
            return jwt.decode(
                token,
                key.key,
                algorithms=_ALGORITHMS,
                leeway=_LEEWAY,
                options={"verify_aud": False, "verify_iss": False, "require": []},
            )
    raise jwt.InvalidTokenError("no signing key with that id")


def _description(response):
    try:
        told = response.json().get("error_description")
    except (ValueError, AttributeError):
        told = None
    return f": {told}" if told else ""


def _random(length, letters=string.digits + string.ascii_uppercase):
    return "".join(secrets.choice(letters) for _ in range(length))


def _local(address):
    return bool(address) and address.startswith("/") and not address.startswith("//")

"""
The fields that Traefik's file provider knows, and what each of them holds.

An unknown field, an empty mapping, or a text where a number belongs, makes the provider discard all files. So
every field is here, to the last level. Source of the names: Traefik reference, "Routing configuration" and
"File". The tests try all of them on a real 3.7, which is also where it was seen what may be empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: What a single value is.
Kind = Literal["text", "number", "flag", "duration", "texts", "anything"]


@dataclass(frozen=True)
class Named:
    """A mapping whose names are free, and whose values are all alike."""

    value: Any


@dataclass(frozen=True)
class Rows:
    """A list of mappings that are all alike."""

    row: Mapping[str, Any]


@dataclass(frozen=True)
class Bare:
    """A mapping that may be empty; any other that is stops the provider."""

    fields: Mapping[str, Any]


def _of(**fields: str) -> dict[str, Any]:
    """Fields by what they hold: ``text="name path"``."""
    return {name: kind for kind, names in fields.items() for name in names.split()}


_DOMAIN = _of(text="main", texts="sans")
_PAIR = _of(text="certFile keyFile")
_TLS = {**_of(text="options certResolver"), "domains": Rows(_DOMAIN)}
_COOKIE = {"cookie": Bare(_of(text="name sameSite path domain", flag="secure httpOnly", number="maxAge"))}
_WEIGHTED = Rows(_of(text="name", number="weight"))
#: Of services made of others: they take over what those say of their health.
_HEALTH_OF_OTHERS = Bare({})
_STRATEGY = _of(number="depth ipv6Subnet", texts="excludedIPs")
_CRITERION = {**_of(text="requestHeaderName", flag="requestHost"), "ipStrategy": _STRATEGY}
_CLIENT_TLS = _of(text="ca cert key", flag="insecureSkipVerify")
_SUBJECT = _of(flag="country province locality organization commonName serialNumber domainComponent")
_SPIFFE = Bare(_of(texts="ids", text="trustDomain"))
_OBSERVABILITY = _of(flag="accessLogs metrics tracing", text="traceVerbosity")
_USERS = _of(texts="users", text="usersFile realm headerField", flag="removeHeader")

_HTTP_ROUTER = {
    **_of(text="rule service ruleSyntax", texts="entryPoints middlewares parentRefs", number="priority"),
    "tls": Bare(_TLS),
    "observability": _OBSERVABILITY,
}
_HTTP_BALANCER = {
    **_of(text="strategy serversTransport", flag="passHostHeader"),
    "servers": Rows(_of(text="url", number="weight", flag="preservePath")),
    "sticky": Bare(_COOKIE),
    "healthCheck": {
        **_of(
            text="scheme mode path method hostname",
            number="status port",
            duration="interval unhealthyInterval timeout",
            flag="followRedirects",
        ),
        "headers": Named("text"),
    },
    "passiveHealthCheck": _of(duration="failureWindow", number="maxFailedAttempts"),
    "responseForwarding": _of(duration="flushInterval"),
}
_HTTP_SERVICE = {
    **_of(texts="middlewares"),
    "loadBalancer": _HTTP_BALANCER,
    "failover": {**_of(text="service fallback"), "healthCheck": _HEALTH_OF_OTHERS},
    "highestRandomWeight": {"services": _WEIGHTED, "healthCheck": _HEALTH_OF_OTHERS},
    "mirroring": {
        **_of(text="service", flag="mirrorBody", number="maxBodySize"),
        "mirrors": Rows(_of(text="name", number="percent")),
        "healthCheck": _HEALTH_OF_OTHERS,
    },
    "weighted": {"services": _WEIGHTED, "sticky": _COOKIE, "healthCheck": _HEALTH_OF_OTHERS},
}
_HEADERS = {
    **_of(
        flag="accessControlAllowCredentials addVaryHeader stsIncludeSubdomains stsPreload forceSTSHeader "
        "frameDeny contentTypeNosniff browserXssFilter isDevelopment sslRedirect sslTemporaryRedirect "
        "sslForceHost",
        number="accessControlMaxAge stsSeconds",
        text="customFrameOptionsValue customBrowserXSSValue contentSecurityPolicy "
        "contentSecurityPolicyReportOnly publicKey referrerPolicy permissionsPolicy featurePolicy sslHost",
        texts="accessControlAllowHeaders accessControlAllowMethods accessControlAllowOriginList "
        "accessControlAllowOriginListRegex accessControlExposeHeaders allowedHosts hostsProxyHeaders",
    ),
    "customRequestHeaders": Named("text"),
    "customResponseHeaders": Named("text"),
    "sslProxyHeaders": Named("text"),
}
_REDIS = {
    **_of(
        texts="endpoints",
        text="username password",
        number="db poolSize minIdleConns maxActiveConns",
        duration="readTimeout writeTimeout dialTimeout",
    ),
    "tls": _CLIENT_TLS,
}
_FORWARD = {
    **_of(
        text="address authResponseHeadersRegex headerField authSigninURL",
        texts="authResponseHeaders authRequestHeaders addAuthCookiesToResponse",
        flag="trustForwardHeader forwardBody preserveLocationHeader preserveRequestMethod",
        number="maxBodySize maxResponseBodySize",
    ),
    "tls": {**_CLIENT_TLS, **_of(flag="caOptional")},
}
_HTTP_MIDDLEWARE = {
    "addPrefix": _of(text="prefix"),
    "basicAuth": _USERS,
    "buffering": _of(
        number="maxRequestBodyBytes memRequestBodyBytes maxResponseBodyBytes memResponseBodyBytes",
        text="retryExpression",
    ),
    "chain": _of(texts="middlewares"),
    "circuitBreaker": _of(
        text="expression", duration="checkPeriod fallbackDuration recoveryDuration", number="responseCode"
    ),
    "compress": Bare(
        _of(
            texts="excludedContentTypes includedContentTypes encodings",
            number="minResponseBodyBytes",
            text="defaultEncoding",
        )
    ),
    "contentType": Bare(_of(flag="autoDetect")),
    "digestAuth": _USERS,
    "encodedCharacters": _of(
        flag="allowEncodedSlash allowEncodedBackSlash allowEncodedNullCharacter allowEncodedSemicolon "
        "allowEncodedPercent allowEncodedQuestionMark allowEncodedHash"
    ),
    "errors": {
        **_of(texts="status errorRequestHeaders", text="service query"),
        "statusRewrites": Named("number"),
    },
    "forwardAuth": _FORWARD,
    "grpcWeb": _of(texts="allowOrigins"),
    "headers": _HEADERS,
    "inFlightReq": {**_of(number="amount"), "sourceCriterion": _CRITERION},
    "ipAllowList": {**_of(texts="sourceRange", number="rejectStatusCode"), "ipStrategy": Bare(_STRATEGY)},
    "ipWhiteList": {**_of(texts="sourceRange"), "ipStrategy": Bare(_STRATEGY)},
    "passTLSClientCert": {
        **_of(flag="pem"),
        "info": {
            **_of(flag="notAfter notBefore sans serialNumber"),
            "subject": {**_SUBJECT, **_of(flag="organizationalUnit")},
            "issuer": _SUBJECT,
        },
    },
    # What a plug-in takes is its own.
    "plugin": Named("anything"),
    "rateLimit": {
        **_of(number="average burst", duration="period"),
        "sourceCriterion": _CRITERION,
        "redis": _REDIS,
    },
    "redirectRegex": _of(text="regex replacement", flag="permanent"),
    "redirectScheme": _of(text="scheme port", flag="permanent"),
    "replacePath": _of(text="path"),
    "replacePathRegex": _of(text="regex replacement"),
    "retry": _of(
        number="attempts maxRequestBodyBytes",
        duration="initialInterval timeout",
        texts="status",
        flag="disableRetryOnNetworkError retryNonIdempotentMethod",
    ),
    "stripPrefix": _of(texts="prefixes", flag="forceSlash"),
    "stripPrefixRegex": _of(texts="regex"),
}
_HTTP_TRANSPORT = {
    **_of(
        text="serverName peerCertURI minVersion maxVersion",
        flag="insecureSkipVerify disableHTTP2",
        texts="rootCAs cipherSuites",
        number="maxIdleConnsPerHost",
    ),
    "certificates": Rows(_PAIR),
    "forwardingTimeouts": _of(
        duration="dialTimeout responseHeaderTimeout idleConnTimeout readIdleTimeout pingTimeout"
    ),
    "spiffe": _SPIFFE,
}
_TCP_ROUTER = {
    **_of(text="rule service ruleSyntax", texts="entryPoints middlewares", number="priority"),
    "tls": Bare({**_TLS, **_of(flag="passthrough")}),
}
_PROXY_PROTOCOL = Bare(_of(number="version"))
_TCP_SERVICE = {
    "loadBalancer": {
        **_of(text="serversTransport", number="terminationDelay"),
        "servers": Rows(_of(text="address", flag="tls")),
        "proxyProtocol": _PROXY_PROTOCOL,
        "healthCheck": Bare(
            _of(number="port", text="send expect", duration="interval unhealthyInterval timeout")
        ),
    },
    "weighted": {"services": _WEIGHTED, "healthCheck": _HEALTH_OF_OTHERS},
}
_TCP_MIDDLEWARE = {
    "ipAllowList": _of(texts="sourceRange"),
    "ipWhiteList": _of(texts="sourceRange"),
    "inFlightConn": _of(number="amount"),
}
_TCP_TRANSPORT = {
    **_of(duration="dialKeepAlive dialTimeout terminationDelay"),
    "proxyProtocol": _PROXY_PROTOCOL,
    "tls": Bare(
        {
            **_of(text="serverName peerCertURI", flag="insecureSkipVerify", texts="rootCAs"),
            "certificates": Rows(_PAIR),
            "spiffe": _SPIFFE,
        }
    ),
}
_UDP_SERVICE = {
    "loadBalancer": {"servers": Rows(_of(text="address"))},
    "weighted": {"services": _WEIGHTED},
}
_TLS_OPTIONS = {
    **_of(
        text="minVersion maxVersion",
        texts="cipherSuites curvePreferences alpnProtocols",
        flag="sniStrict disableSessionTickets preferServerCipherSuites",
    ),
    "clientAuth": _of(texts="caFiles", text="clientAuthType"),
}
_TLS_STORE = {
    "defaultCertificate": _PAIR,
    "defaultGeneratedCert": {**_of(text="resolver"), "domain": _DOMAIN},
}

#: A whole document.
DOCUMENT: dict[str, dict[str, Any]] = {
    "http": {
        "routers": Named(_HTTP_ROUTER),
        "services": Named(_HTTP_SERVICE),
        "middlewares": Named(_HTTP_MIDDLEWARE),
        "serversTransports": Named(_HTTP_TRANSPORT),
    },
    "tcp": {
        "routers": Named(_TCP_ROUTER),
        "services": Named(_TCP_SERVICE),
        "middlewares": Named(_TCP_MIDDLEWARE),
        "serversTransports": Named(_TCP_TRANSPORT),
    },
    "udp": {
        "routers": Named(_of(texts="entryPoints", text="service")),
        "services": Named(_UDP_SERVICE),
    },
    "tls": {
        "certificates": Rows({**_PAIR, **_of(texts="stores")}),
        "options": Named(_TLS_OPTIONS),
        "stores": Named(_TLS_STORE),
    },
}

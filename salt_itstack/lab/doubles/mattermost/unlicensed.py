"""Routes that answer the same on any server without a licence, and those that the double doesn't offer."""

import re

from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route

_LDAP = ("api.ldap_groups.license_error", 501, "your license does not support ldap groups")
_GROUPS = ("api.license_error", 501, "api endpoint requires a license")
_RETENTION = ("ent.data_retention.generic.license.error", 501,
              "Your license does not support Data Retention.")  # fmt: skip
#: method, path, error id, status, text
_REFUSED = (
    ("GET", "/schemes", "app.schemes.is_phase_2_migration_completed.not_completed.app_error", 501,
     "This API endpoint is not accessible as required migrations have not yet completed."),
    ("POST", "/schemes", "api.scheme.create_scheme.license.error", 501,
     "Your license does not support creating permissions schemes."),
    ("POST", "/ldap/sync", *_LDAP), ("POST", "/ldap/test", *_LDAP), ("GET", "/ldap/groups", *_LDAP),
    ("POST", "/ldap/groups/{remote_id}/link", *_LDAP), ("DELETE", "/ldap/groups/{remote_id}/link", *_LDAP),
    ("GET", "/groups", *_GROUPS), ("POST", "/groups", *_GROUPS), ("GET", "/groups/{group_id}", *_GROUPS),
    ("POST", "/groups/{group_id}/teams/{team_id}/link", *_GROUPS),
    ("POST", "/groups/{group_id}/channels/{channel_id}/link", *_GROUPS),
    ("GET", "/teams/{team_id}/groups", *_GROUPS), ("GET", "/channels/{channel_id}/groups", *_GROUPS),
    ("GET", "/users/{user_id}/groups", *_GROUPS),
    ("GET", "/saml/metadata", "api.admin.saml.not_available.app_error", 501,
     "SAML 2.0 is not configured or supported on this server."),
    ("POST", "/elasticsearch/test", "ent.elasticsearch.test_config.license.error", 501,
     "Your Mattermost license doesn't support indexed search."),
    ("GET", "/data_retention/policy", *_RETENTION), ("GET", "/data_retention/policies", *_RETENTION),
    ("GET", "/compliance/reports", "ent.compliance.licence_disable.app_error", 501,
     "Compliance functionality disabled by current license. Please contact your system administrator about"
     " upgrading your enterprise license."),
    ("GET", "/remotecluster", "api.remote_cluster.service_not_enabled.app_error", 501,
     "The remote cluster service is not enabled."),
    ("GET", "/custom_profile_attributes/fields", "api.custom_profile_attributes.license_error", 403,
     "Your license does not support Custom Profile Attributes."),
    ("GET", "/trial-license/prev", "api.license.upgrade_needed.app_error", 403,
     "Feature requires an upgrade to Enterprise Edition."),
)  # fmt: skip
#: The real server has more below these; the double has nothing there, and says so.
_ABSENT = re.compile(
    r"/api/v4/(websocket|files|uploads|emoji|commands|plugins|audits|analytics|logs|jobs|imports|exports|oauth"
    r"|terms_of_service|brand|image|opengraph|actions|drafts|scheduled_posts|bookmarks|cloud|usage|caches"
    r"|database|email|notifications|redirect_location|upgrade_to_enterprise|server_busy|saml|elasticsearch|bleve"
    r"|data_retention|compliance|permissions|reports|ip_filtering|hosted_customer|client_perf|license)(/.*)?"
    r"|/(oauth|login|signup|plugins|_oembed)/.*"
)


def absent(path):
    """The answer for what the real server has and the double doesn't, or None."""
    if not _ABSENT.fullmatch(path):
        return None
    return Problem("double.not_offered", 501, "This double of Mattermost doesn't offer this.")


def _refuse(method, path, error, status, text):
    # Whether somebody may doesn't matter: the licence is asked for first.
    @route(method, path, login=path != "/saml/metadata", database=False)
    def refused(call):
        raise Problem(error, status, text)


for line in _REFUSED:
    _refuse(*line)


@route("GET", "/saml/certificate/status")
def saml_certificate_status(call):
    call.need_admin()
    return {"idp_certificate_file": False, "private_key_file": False, "public_certificate_file": False}


@route("POST", "/license")
def add_license(call):
    if not (call.headers.get("Content-Type") or "").startswith("multipart/form-data"):
        text = "request Content-Type isn't multipart/form-data\n"
        return Answer(400, text, kind="text/plain; charset=utf-8")
    raise absent("/api/v4/license")


@route("DELETE", "/license")
def remove_license(call):
    call.need_admin()
    return OK


@route("GET", "/license/load_metric")
def load_metric(call):
    return {"load": 0}


@route("GET", "/brand/image", login=False)
def brand_image(call):
    return Answer(404, "")


@route("GET", "/jobs")
def jobs(call):
    # The double runs none.
    call.need_admin()
    return None


@route("POST", "/jobs")
def create_job(call):
    if call.json("job").get("type") == "ldap_sync":
        raise Problem("model.job.is_valid.type.app_error", 400, "Invalid job type.")
    raise absent("/api/v4/jobs")


@route("GET", "/server_busy")
def server_busy(call):
    call.need_admin()
    return {"busy": False, "expires": -62135596800, "expires_ts": "Mon Jan 1 00:00:00 +0000 UTC 0001"}


@route("GET", "/limits/server")
def limits(call):
    if not call.admin:
        raise forbidden()
    people = [one for one in call.store.find("users", delete_at=0) if not one.get("is_bot")]
    return {"maxUsersLimit": 2500, "maxUsersHardLimit": 5000, "activeUserCount": len(people)}


@route("GET", "/oauth/apps")
def oauth_apps(call):
    # None can be made here.
    call.need_admin()
    return []


@route("GET", "/cluster/status")
def cluster_status(call):
    call.need_admin()
    return []


@route("GET", "/websocket", login=False)
def websocket(call):
    if call.headers.get("Upgrade"):
        raise absent("/api/v4/websocket")
    error = Problem("api.web_socket.connect.upgrade.app_error", 400, "URL Blocked because of CORS. Url: ")
    text = "Bad Request\n" + call.server.json(error.body(call.server.new_id()))
    return Answer(400, text, kind="text/plain; charset=utf-8")

"""The server itself: ping, configuration, licence."""

from salt_itstack.lab.doubles.mattermost import client
from salt_itstack.lab.doubles.mattermost.errors import Problem, invalid_body
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route

_NO_STORE = [("Cache-Control", "no-cache, no-store, must-revalidate")]


@route("GET", "/system/ping", login=False, local=True, database=False)
def ping(call):
    answer = {"ActiveSearchBackend": "database", "AndroidLatestVersion": "", "AndroidMinVersion": "",
              "IosLatestVersion": "", "IosMinVersion": "", "status": "OK"}  # fmt: skip
    if not call.flag("get_server_status"):
        return answer
    healthy = call.store.healthy()
    answer.update(database_status="OK" if healthy else "UNHEALTHY", filestore_status="OK",
                  status="OK" if healthy else "UNHEALTHY")  # fmt: skip
    if call.session and call.admin:
        answer["root_status"] = False
    return Answer(200 if healthy or call.flag("use_rest_semantics") else 500, answer)


def _flags(call):
    # Whoever has the socket has the file: nothing is hidden there.
    return {"remove_masked": call.flag("remove_masked"), "remove_defaults": call.flag("remove_defaults"),
            "plain": call.local}  # fmt: skip


@route("GET", "/config", local=True, database=False)
def config_get(call):
    call.need_admin()
    return Answer(200, call.config.masked(**_flags(call)), _NO_STORE)


@route("PUT", "/config", local=True, database=False)
def config_put(call):
    given = call.json("config")
    call.need_admin()
    call.config.replace(given)
    call.server.sessions.forget()
    return Answer(200, call.config.masked(plain=call.local), _NO_STORE)


@route("PUT", "/config/patch", local=True, database=False)
def config_patch(call):
    given = call.json("config")
    call.need_admin()
    call.config.patch(given)
    call.server.sessions.forget()
    return Answer(200, call.config.masked(plain=call.local), _NO_STORE)


@route("POST", "/config/reload", local=True, database=False)
def config_reload(call):
    call.need_admin()
    try:
        call.config.reload()
    except (OSError, ValueError):
        # Unconfirmed: the id.
        raise Problem("api.config.reload_config.app_error", 500, "Failed to reload config.") from None
    call.server.sessions.forget()
    return Answer(200, OK, _NO_STORE)


@route("GET", "/config/environment", database=False)
def config_environment(call):
    call.need_admin()
    return Answer(200, call.config.environment(), _NO_STORE)


@route("GET", "/config/client", login=False, local=True)
def config_client(call):
    if call.query.get("format") != "old":
        raise Problem("api.config.client.old_format.app_error")
    return client.configuration(call)


@route("GET", "/license/client", login=False, database=False)
def license_client(call):
    if call.query.get("format") != "old":
        raise invalid_body("format")
    return {"IsLicensed": "false"}

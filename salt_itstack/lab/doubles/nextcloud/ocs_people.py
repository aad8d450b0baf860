"""The provisioning routes: persons and groups."""

import re

from salt_itstack.lab.doubles.nextcloud import people as rules
from salt_itstack.lab.doubles.nextcloud.ocs_routes import Failure, Route

_MAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_LANGUAGES = ("en", "de", "fr", "es", "it", "nl")
_FEDERATED, _LOCAL = "v2-federated", "v2-local"


def details(call, uid, scopes=False):
    """All that OCS tells of a person; ``scopes`` adds the visibility of each field (only for oneself)."""
    people, database = call.people, call.database
    found = people.find(uid)
    if not found:
        raise Failure(404, "User does not exist")
    uid, shown, backend = found
    first = int(database.preference(uid, "login", "firstLogin", "0"))
    last = int(database.preference(uid, "login", "lastLogin", "0"))
    told = {"enabled": people.enabled(uid)}
    if people.is_admin(call.login.uid):
        told["storageLocation"] = people.home(uid)
    told.update(
        {
            "id": uid,
            "firstLoginTimestamp": first,
            "lastLoginTimestamp": last,
            "lastLogin": last * 1000,
            "backend": backend,
            "subadmin": people.led_by(uid),
            "quota": people.storage(uid),
            "manager": database.preference(uid, "settings", "manager", ""),
        }
    )
    fields = [
        ("avatar", None, _FEDERATED),
        ("email", database.preference(uid, "settings", "email"), _FEDERATED),
        ("additional_mail", [], []),
        ("displayname", shown, _FEDERATED),
    ]
    fields += [
        (name, database.preference(uid, "profile", name, ""), _LOCAL)
        for name in (
            "phone",
            "address",
            "website",
            "twitter",
            "bluesky",
            "fediverse",
            "organisation",
            "role",
            "headline",
            "biography",
        )
    ]
    fields += [("profile_enabled", "1", _LOCAL), ("pronouns", "", _FEDERATED)]
    for name, value, scope in fields:
        if name != "avatar":
            told[name] = value
        if name == "displayname":
            told["display-name"] = value
        if scopes:
            told[f"{name}Scope"] = scope
    own = backend == "Database"
    told.update(
        {
            "groups": people.groups_of(uid),
            "language": database.preference(uid, "core", "lang", "en"),
            "locale": "",
            "timezone": "",
            "notify_email": None,
            "backendCapabilities": {"setDisplayName": own, "setPassword": own},
        }
    )
    return told


def me(call):
    return details(call, call.login.uid, scopes=True)


def _page(call):
    limit = call.number("limit")
    if limit is not None and limit < 1:
        raise Failure(996, "Internal Server Error\n")
    rows = call.people.shown(call.parameters.get("search", ""), limit, call.number("offset", 0))
    return [row[0] for row in rows]


def users(call):
    return {"users": _page(call)}


def users_details(call):
    told = {uid: details(call, uid) for uid in _page(call)}
    groups = [
        {"id": gid, "displayname": call.people.group(gid)[1]} for gid in call.people.groups_of(call.login.uid)
    ]
    return {"users": told, "groups": groups}


def user(call, uid):
    if not call.people.is_admin(call.login.uid) and uid != call.login.uid:
        raise Failure(998)
    return details(call, uid, scopes=uid == call.login.uid)


def user_add(call):
    people, parameters = call.people, call.parameters
    uid = call.need("userid")
    if uid and people.find(uid):
        raise Failure(102, "User already exists")
    groups = parameters.get("groups") or []
    for gid in groups:
        if not people.group(gid):
            raise Failure(104, f"Group {gid} does not exist")
    password = parameters.get("password") or ""
    if not password:
        if not parameters.get("email"):
            raise Failure(108, "An email address is required, to send a password link to the user.")
        password = rules.app_password()
    try:
        people.add(uid, password)
    except rules.Refused as refusal:
        raise Failure(101, str(refusal))
    for gid in groups:
        people.join(gid, uid)
    # Measured: a refusal from here on leaves the person behind, and a bad e-mail address is kept silently.
    if parameters.get("displayName"):
        people.rename(uid, "Database", parameters["displayName"])
    if parameters.get("quota"):
        _set_quota(call, uid, parameters["quota"])
    if parameters.get("language"):
        _set_language(call, uid, parameters["language"])
    if parameters.get("email"):
        call.database.set_preference(uid, "settings", "email", parameters["email"])
    return {"id": uid}


def _set_quota(call, uid, text):
    try:
        number = rules.size(text)
    except ValueError:
        raise Failure(101, f"Invalid quota value: {text}")
    call.database.set_preference(uid, "files", "quota", "none" if number is None else rules.amount(number))


def _set_language(call, uid, text):
    if text not in _LANGUAGES:
        raise Failure(101, "Invalid language")
    call.database.set_preference(uid, "core", "lang", text)


def user_edit(call, uid):
    people, database = call.people, call.database
    found = people.find(uid)
    name, value = call.need("key"), call.need("value")
    if not found or (uid != call.login.uid and not people.is_admin(call.login.uid)):
        raise Failure(998)
    uid, _, backend = found
    if name == "email":
        if value and not re.fullmatch(_MAIL, value):
            raise Failure(101)
        database.set_preference(uid, "settings", "email", value)
    elif name == "quota" and people.is_admin(call.login.uid):
        _set_quota(call, uid, value)
    elif name in ("display", "displayname"):
        people.rename(uid, backend, value)
    elif name == "password":
        if len(value) > 469:
            raise Failure(101, "Invalid password value")
        people.set_password(uid, value)
    elif name == "language":
        _set_language(call, uid, value)
    elif name == "manager":
        database.set_preference(uid, "settings", "manager", value)
    elif name in ("address", "website", "twitter", "organisation", "role", "headline", "biography"):
        database.set_preference(uid, "profile", name, value)
    else:
        raise Failure(113)
    return []


def _switch(enabled):
    def run(call, uid):
        found = call.people.find(uid)
        if not found or found[0] == call.login.uid:
            raise Failure(101)
        call.people.enable(found[0], enabled)
        return []

    return run


def user_delete(call, uid):
    found = call.people.find(uid)
    if not found:
        raise Failure(998)
    if found[0] == call.login.uid:
        raise Failure(101)
    call.people.delete(found[0])
    return []


def user_groups(call, uid):
    found = call.people.find(uid)
    if not found:
        raise Failure(998)
    return {"groups": call.people.groups_of(found[0])}


def _member_and_group(call, uid):
    gid = call.need("groupid")
    if gid == "":
        raise Failure(101)
    if not call.people.group(gid):
        raise Failure(102)
    found = call.people.find(uid)
    if not found:
        raise Failure(103)
    return found[0], gid


def user_join(call, uid):
    uid, gid = _member_and_group(call, uid)
    call.people.join(gid, uid)
    return []


def user_leave(call, uid):
    uid, gid = _member_and_group(call, uid)
    if uid == call.login.uid and gid == rules.ADMIN:
        raise Failure(105, "Cannot remove yourself from the admin group")
    call.people.leave(gid, uid)
    return []


def _groups_page(call):
    limit, offset = call.number("limit"), call.number("offset", 0)
    search = str(call.parameters.get("search", "")).lower()
    found = [row for row in call.people.groups() if search in row[0].lower() or search in row[1].lower()]
    return found[offset:][:limit] if limit is not None else found[offset:]


def groups(call):
    return {"groups": [gid for gid, _ in _groups_page(call)]}


def groups_details(call):
    told = []
    for gid, shown in _groups_page(call):
        members = call.people.members(gid)
        disabled = sum(not call.people.enabled(uid) for uid in members)
        told.append(
            {
                "id": gid,
                "displayname": shown,
                "usercount": len(members),
                "disabled": disabled,
                "canAdd": True,
                "canRemove": True,
            }
        )
    return {"groups": told}


def group(call, gid):
    if not call.people.group(gid):
        raise Failure(404, "The requested group could not be found")
    return {"users": call.people.members(gid)}


def group_details(call, gid):
    return {"users": {uid: details(call, uid) for uid in group(call, gid)["users"]}}


def group_add(call):
    try:
        call.people.add_group(call.need("groupid"), call.parameters.get("displayname"))
    except rules.Exists:
        raise Failure(102, "group exists")
    except rules.Refused as refusal:
        raise Failure(101, str(refusal))
    return []


def group_edit(call, gid):
    name, value = call.need("key"), call.need("value")
    if name != "displayname" or not call.people.group(gid):
        raise Failure(999)
    call.database.run("UPDATE oc_groups SET displayname = %s WHERE gid = %s", value, gid)
    return []


def group_delete(call, gid):
    if not call.people.group(gid):
        raise Failure(101)
    try:
        call.people.delete_group(gid)
    except rules.Refused:
        raise Failure(102)
    return []


_U = "/cloud/users"
_G = "/cloud/groups"
ROUTES = (
    Route("GET", "/cloud/user", me, admin=False),
    Route("GET", _U, users),
    Route("GET", f"{_U}/details", users_details),
    Route("POST", _U, user_add, confirm=True),
    Route("GET", f"{_U}/([^/]+)", user, admin=False),
    Route("PUT", f"{_U}/([^/]+)", user_edit, admin=False, confirm=True),
    Route("DELETE", f"{_U}/([^/]+)", user_delete, confirm=True),
    Route("PUT", f"{_U}/([^/]+)/enable", _switch(True), confirm=True),
    Route("PUT", f"{_U}/([^/]+)/disable", _switch(False), confirm=True),
    Route("GET", f"{_U}/([^/]+)/groups", user_groups),
    Route("POST", f"{_U}/([^/]+)/groups", user_join, confirm=True),
    Route("DELETE", f"{_U}/([^/]+)/groups", user_leave, confirm=True),
    Route("GET", _G, groups),
    Route("GET", f"{_G}/details", groups_details),
    Route("POST", _G, group_add, confirm=True),
    Route("GET", f"{_G}/([^/]+)", group),
    Route("GET", f"{_G}/([^/]+)/users", group),
    Route("GET", f"{_G}/([^/]+)/users/details", group_details),
    Route("PUT", f"{_G}/([^/]+)", group_edit, confirm=True),
    Route("DELETE", f"{_G}/([^/]+)", group_delete, confirm=True),
)

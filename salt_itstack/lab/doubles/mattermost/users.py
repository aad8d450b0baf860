"""Persons: how they're kept and shown, and the routes that look them up."""

from salt_itstack.lab.doubles.mattermost.errors import Problem, invalid_body, invalid_url
from salt_itstack.lab.doubles.mattermost.routing import Answer, route
from salt_itstack.lab.doubles.mattermost.values import new_id, now, password_hash, valid_username

_SHOWN = (
    "id", "create_at", "update_at", "delete_at", "username", "auth_service", "email",
    "nickname",
    "first_name", "last_name", "position", "roles", "notify_props", "locale", "timezone",
    "disable_welcome_email",
)  # fmt: skip
_NOTIFY = {
    "channel": "true", "comments": "never", "desktop": "mention", "desktop_sound": "true",
    "desktop_threads": "all", "email": "true", "email_threads": "all", "first_name": "false",
    "mention_keys": "", "push": "mention", "push_status": "online", "push_threads": "all",
}  # fmt: skip
_ZONE = {"automaticTimezone": "", "manualTimezone": "", "useAutomaticTimezone": "true"}


def rendered(person, own=False, stranger=False):
    """What is shown of a person.

    own
        To the person itself, or as the outcome of a change: with the time of the last password.
    stranger
        To somebody without the right to see everything.
    """
    shown = {name: person[name] for name in _SHOWN}
    for name in ("auth_data", "failed_attempts", "is_bot", "bot_description"):
        if person.get(name):
            shown[name] = person[name]
    if person.get("remote_id") is not None:
        shown["remote_id"] = person["remote_id"]
    if own:
        shown["last_password_update"] = person["last_password_update"]
        shown.update({"email_verified": True} if person.get("email_verified") else {})
    if person.get("is_bot"):
        shown["bot_description"] = person.get("bot_description", "")
    if stranger:
        shown.pop("notify_props")
        shown["auth_data"] = ""
    return shown


def seen_by(call, person):
    """A person as the caller sees it in look-ups and lists."""
    return rendered(person, stranger=not call.admin and call.user_id != person["id"])


def save(call, person):
    """Keep a person."""
    call.store.put("users", person["id"], person)


def existing(call, user_id):
    """The person with this id. Raises a 404."""
    person = call.store.get("users", user_id)
    if person is None:
        raise Problem("app.user.missing_account.const")
    return person


def need_free(call, person):
    """Raise a 400 when another person has the e-mail address or user name."""
    for field, error in (
        ("username", "app.user.save.username_exists.app_error"),
        ("email", "app.user.save.email_exists.app_error"),
    ):
        if any(other["id"] != person["id"] for other in call.store.find("users", **{field: person[field]})):
            raise Problem(error)


def need_password(call, password):
    """Raise a 400 for a password that is too short."""
    shortest = call.config("PasswordSettings", "MinimumLength")
    if len(password) < shortest:
        raise Problem("model.user.is_valid.pwd_min_length.app_error", name=shortest)


def made(call, given, roles):
    """A new person, checked and kept."""
    stamp = now()
    person = {
        "id": new_id(), "create_at": stamp, "update_at": stamp, "delete_at": 0, "auth_service": "",
        "auth_data": "", "failed_attempts": 0, "notify_props": dict(_NOTIFY), "timezone": dict(_ZONE),
        "last_password_update": stamp, "remote_id": "", "disable_welcome_email": False,
        "locale": given.get("locale") or call.config("LocalizationSettings", "DefaultClientLocale"),
        "roles": roles, "password": "",
        "username": str(given.get("username") or "").lower(), "email": str(given.get("email") or "").lower(),
        **{name: str(given.get(name) or "") for name in ("nickname", "first_name", "last_name", "position")},
    }  # fmt: skip
    check(person)
    need_free(call, person)
    return person


def check(person):
    """Raise a 400 for a user name or e-mail address that can't be one."""
    if not valid_username(person["username"]):
        raise Problem("model.user.is_valid.username.app_error")
    name, _, domain = person["email"].partition("@")
    if not name or not domain or " " in person["email"]:
        raise Problem("model.user.is_valid.email.app_error")


@route("POST", "/users", login=False, local=True)
def create(call):
    given = call.json("user")
    first = call.store.count("users") == 0
    if not (call.local or (call.session and call.admin) or first):
        open_server = call.config("TeamSettings", "EnableUserCreation") and (
            call.config("TeamSettings", "EnableOpenServer") or call.query.get("t") or call.query.get("iid")
        )
        if not open_server:
            # Unconfirmed: the recorded server was open to everybody.
            raise Problem("api.user.create_user.no_open_server", 403,
                          "This server does not allow open signups.  Please speak with your Administrator to"
                          " receive an invitation.")  # fmt: skip
    password = str(given.get("password") or "")
    person = made(call, given, "system_admin system_user" if first else "system_user")
    need_password(call, password)
    person["password"] = password_hash(password)
    save(call, person)
    return Answer(201, rendered(person, own=True))


def _tagged(call, person, shown):
    tag = f"10.11.6.{person['id']}.{person['update_at']}..0.true.true.0"
    if call.headers.get("If-None-Match") == tag:
        return Answer(304, headers=[("Etag", tag)])
    return Answer(200, shown, [("Etag", tag)])


@route("GET", "/users/me", down=Problem("app.user_terms_of_service.get_by_user.app_error"))
def me(call):
    person = existing(call, call.user_id)
    return _tagged(call, person, rendered(person, own=True))


@route("GET", "/users/{user_id}", local=True)
def by_id(call):
    person = existing(call, call.part("user_id"))
    own = bool(call.session) and call.user_id == person["id"]
    return _tagged(call, person, rendered(person, own=True) if own else seen_by(call, person))


@route("GET", "/users/username/{username:username}", local=True)
def by_username(call):
    name = call.parts["username"]
    if not valid_username(name):
        raise invalid_body("username")
    person = call.store.first("users", username=name)
    if person is None:
        raise Problem("app.user.get_by_username.app_error")
    return _tagged(call, person, seen_by(call, person))


@route("GET", "/users/email/{email:email}", local=True)
def by_email(call):
    person = call.store.first("users", email=call.parts["email"].lower())
    if person is None:
        raise Problem("app.user.missing_account.const")
    return _tagged(call, person, seen_by(call, person))


@route("POST", "/users/ids", local=True)
def by_ids(call):
    wanted = call.json("user_ids", of=str)
    people = sorted(call.store.find("users"), key=lambda person: person["username"])
    return [seen_by(call, person) for person in people if person["id"] in wanted]


@route("POST", "/users/usernames")
def by_usernames(call):
    wanted = call.json("usernames", of=str)
    people = sorted(call.store.find("users"), key=lambda person: person["username"])
    return [seen_by(call, person) for person in people if person["username"] in wanted]


@route("POST", "/users/search")
def search(call):
    given = call.json("body")
    term = str(given.get("term") or "").lower()
    if not term:
        raise invalid_body("term")
    fields = ("username", "nickname", "first_name", "last_name", "email")
    found = [
        person for person in _people(call)
        if any(part.startswith(term) or f"@{term}" in part
               for field in fields for part in (person[field].lower(), *person[field].lower().split()))
        or term in person["username"]
    ]  # fmt: skip
    found = [person for person in found if not person["delete_at"] or given.get("allow_inactive")]
    return [seen_by(call, person) for person in found if _in(call, person, given)]


def _in(call, person, where):
    """Whether a person belongs to the team and channel that a query or search names."""
    for field, table, column, wanted in (
        ("in_team", "teammembers", "team_id", True), ("team_id", "teammembers", "team_id", True),
        ("not_in_team", "teammembers", "team_id", False),
        ("in_channel", "channelmembers", "channel_id", True),
        ("in_channel_id", "channelmembers", "channel_id", True),
        ("not_in_channel", "channelmembers", "channel_id", False),
    ):  # fmt: skip
        if where.get(field):
            rows = call.store.find(table, user_id=person["id"], **{column: where[field]})
            if any(not row.get("delete_at") for row in rows) != wanted:
                return False
    return True


def _people(call):
    return sorted(call.store.find("users"), key=lambda person: person["username"])


@route("GET", "/users", local=True)
def listed(call):
    if call.query.get("sort", "") not in (
        "",
        "last_activity_at",
        "create_at",
        "status",
        "admin",
        "display_name",
    ):
        raise invalid_url("sort")
    if call.flag("active") and call.flag("inactive"):
        # As recorded: the real one writes an empty list and the error after it, with 200.
        error = invalid_url("inactive").body(new_id())
        return Answer(200, "[]" + call.server.json(error))
    people = [person for person in _people(call) if _in(call, person, call.query)]
    if call.flag("active"):
        people = [person for person in people if not person["delete_at"]]
    if call.flag("inactive"):
        people = [person for person in people if person["delete_at"]]
    if call.query.get("role"):
        people = [person for person in people if call.query["role"] in person["roles"].split()]
    if call.query.get("sort") == "create_at":
        people.sort(key=lambda person: -person["create_at"])
    return [seen_by(call, person) for person in call.page(people)]


@route("GET", "/users/stats")
def stats(call):
    return {"total_users_count": call.store.count("users", delete_at=0)}


@route("GET", "/users/stats/filtered")
def stats_filtered(call):
    people = call.store.find("users")
    if not call.flag("include_deleted"):
        people = [person for person in people if not person["delete_at"]]
    if not call.flag("include_bots"):
        people = [person for person in people if not person.get("is_bot")]
    return {"total_users_count": len([person for person in people if _in(call, person, call.query)])}


@route("GET", "/users/{user_id}/teams")
def teams(call):
    user_id = call.part("user_id")
    call.need_self(user_id)
    found = []
    for member in call.store.find("teammembers", user_id=user_id, delete_at=0):
        team = call.store.get("teams", member["team_id"])
        if team and not team["delete_at"]:
            found.append(team)
    return found

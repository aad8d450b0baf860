"""Changes of persons: fields, roles, passwords, sign-in methods, activation."""

from salt_itstack.lab.doubles.mattermost.errors import Problem, invalid_body
from salt_itstack.lab.doubles.mattermost.roles import known_roles
from salt_itstack.lab.doubles.mattermost.routing import OK, route
from salt_itstack.lab.doubles.mattermost.users import (
    check,
    existing,
    need_free,
    need_password,
    rendered,
    save,
)
from salt_itstack.lab.doubles.mattermost.values import now, password_hash, password_matches

_FIELDS = ("username", "email", "nickname", "first_name", "last_name", "position", "locale", "notify_props",
           "timezone")  # fmt: skip
_FROM_PROVIDER = ("username", "first_name", "last_name")


def _change(call, given):
    user_id = call.part("user_id")
    person = call.store.get("users", user_id)
    if person is None:
        raise invalid_body("user_id")
    call.need_self(user_id)
    if person["auth_service"]:
        for name in _FROM_PROVIDER:
            if given.get(name) is not None and given[name] != person[name]:
                raise Problem("api.user.patch_user.login_provider_attribute_set.app_error", name=name)
    for name in _FIELDS:
        if given.get(name) is None or (name == "email" and person["auth_service"]):
            continue
        person[name] = given[name].lower() if name in ("username", "email") else given[name]
    check(person)
    need_free(call, person)
    person["update_at"] = now()
    save(call, person)
    return rendered(person, own=True)


@route("PUT", "/users/{user_id}/patch")
def patch(call):
    return _change(call, call.json("user"))


@route("PUT", "/users/{user_id}", local=True)
def update(call):
    given = call.json("user")
    if given.get("id") != call.part("user_id"):
        raise invalid_body("user_id")
    return _change(call, given)


def set_active(call, person, active):
    """Activate or deactivate; a deactivated person's logins end."""
    stamp = now()
    person.update(update_at=stamp, delete_at=0 if active else stamp)
    save(call, person)
    if not active:
        call.server.sessions.end_of(person["id"])
    call.server.sessions.forget()


@route("PUT", "/users/{user_id}/active", local=True)
def active(call):
    user_id = call.part("user_id")
    given = call.json("body")
    if not isinstance(given.get("active"), bool):
        raise invalid_body("active")
    call.need_admin()
    set_active(call, existing(call, user_id), given["active"])
    return OK


@route("DELETE", "/users/{user_id}", local=True)
def delete(call):
    user_id = call.part("user_id")
    call.need_self(user_id)
    person = existing(call, user_id)
    if call.flag("permanent"):
        if not (call.local or call.config("ServiceSettings", "EnableAPIUserDeletion")):
            raise Problem("api.user.delete_user.not_enabled.app_error")
        _forget(call, person)
        return OK
    set_active(call, person, False)
    return OK


def _forget(call, person):
    call.server.sessions.end_of(person["id"])
    for table in ("teammembers", "channelmembers"):
        for identity, _ in call.store.items(table, user_id=person["id"]):
            call.store.remove(table, identity)
    for table in ("incomingwebhooks", "useraccesstokens"):
        for one in call.store.find(table, user_id=person["id"]):
            call.store.remove(table, one["id"])
    call.store.remove("bots", person["id"])
    call.store.remove("users", person["id"])


@route("PUT", "/users/{user_id}/roles", local=True)
def roles(call):
    user_id = call.part("user_id")
    wanted = str(call.json("body").get("roles") or "")
    call.need_admin()
    if not all(name in known_roles() for name in wanted.split()):
        raise Problem("app.role.check_roles_exist.role_not_found")
    person = existing(call, user_id)
    person.update(roles=wanted, update_at=now())
    save(call, person)
    call.server.sessions.forget()
    return OK


@route("PUT", "/users/{user_id}/auth")
def auth(call):
    user_id = call.part("user_id")
    given = call.json("user")
    call.need_admin()
    service, data = given.get("auth_service"), given.get("auth_data")
    if not service or not data:
        raise Problem("api.user.update_user_auth.invalid_request")
    person = existing(call, user_id)
    person.update(auth_service=service, auth_data=data, password="", update_at=now())
    save(call, person)
    return {"auth_data": data, "auth_service": service}


@route("PUT", "/users/{user_id}/password", local=True)
def password(call):
    user_id = call.part("user_id")
    given = call.json("body")
    new = str(given.get("new_password") or "")
    call.need_self(user_id)
    person = existing(call, user_id)
    current = str(given.get("current_password") or "")
    if not call.admin and not password_matches(current, person["password"]):
        # Unconfirmed: nobody changed their own password in the recording.
        raise Problem("api.user.update_password.incorrect.app_error", 400,
                      'The "Current Password" you entered is incorrect. Please check that Caps Lock is off'
                      " and try again.")  # fmt: skip
    need_password(call, new)
    stamp = now()
    person.update(password=password_hash(new), auth_service="", auth_data="", failed_attempts=0,
                  last_password_update=stamp, update_at=stamp)  # fmt: skip
    save(call, person)
    return OK


@route("POST", "/users/{user_id}/reset_failed_attempts")
def reset_failed_attempts(call):
    user_id = call.part("user_id")
    call.need_admin()
    person = existing(call, user_id)
    person["failed_attempts"] = 0
    save(call, person)
    return OK

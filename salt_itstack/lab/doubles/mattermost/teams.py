"""Teams and their members."""

from salt_itstack.lab.doubles.mattermost import membership
from salt_itstack.lab.doubles.mattermost.errors import Problem, forbidden, invalid_body
from salt_itstack.lab.doubles.mattermost.routing import OK, Answer, route
from salt_itstack.lab.doubles.mattermost.users import existing
from salt_itstack.lab.doubles.mattermost.values import RESERVED_TEAMS, TEAM_NAME, is_id, new_id, now

_LARGEST_BATCH = 256


def team_of(call, team_id=None):
    """The team of the path, or with an id. Raises a 404."""
    team = call.store.get("teams", call.part("team_id") if team_id is None else team_id)
    if team is None:
        raise Problem("app.team.get.find.app_error")
    return team


def team_by_name(call, name):
    """The team with a name. Raises a 404."""
    team = call.store.first("teams", name=name)
    if team is None:
        raise Problem("app.team.get_by_name.missing.app_error")
    return team


def _keep(call, team):
    team["update_at"] = now()
    call.store.put("teams", team["id"], team)
    return team


def _shown(call, team):
    if call.admin or membership.is_team_admin(call, team["id"]):
        return team
    shown = {**team, "email": ""}
    if not membership.in_team(call, team["id"], call.user_id):
        shown["invite_id"] = ""
    return shown


def need_view(call, team):
    """Raise a 403 unless the caller may see the team."""
    open_to_all = team["type"] == "O" and team["allow_open_invite"]
    if not (call.admin or open_to_all or membership.in_team(call, team["id"], call.user_id)):
        raise forbidden()


def need_manage(call, team_id):
    """Raise a 403 unless the caller administers the team."""
    if not (call.admin or membership.is_team_admin(call, team_id)):
        raise forbidden()


def _check(team):
    if not team["display_name"] or len(team["display_name"]) > 64:
        raise Problem("model.team.is_valid.name.app_error")
    if not 2 <= len(team["name"]) <= 64:
        raise Problem("model.team.is_valid.url.app_error")
    if team["name"].startswith(RESERVED_TEAMS):
        raise Problem("model.team.is_valid.reserved.app_error")
    if not TEAM_NAME.fullmatch(team["name"]):
        raise Problem("model.team.is_valid.characters.app_error")
    if team["type"] not in ("O", "I"):
        raise Problem("model.team.is_valid.type.app_error")


@route("POST", "/teams", local=True)
def create(call):
    given = call.json("team")
    stamp = now()
    owner = existing(call, call.user_id) if call.session else None
    team = {
        "id": new_id(), "create_at": stamp, "update_at": stamp, "delete_at": 0,
        "display_name": str(given.get("display_name") or ""), "name": str(given.get("name") or "").lower(),
        "description": str(given.get("description") or ""), "email": owner["email"] if owner else "",
        "type": given.get("type") or "", "company_name": "", "allowed_domains": "", "invite_id": new_id(),
        "allow_open_invite": bool(given.get("allow_open_invite")), "scheme_id": None,
        "group_constrained": None, "policy_id": None, "cloud_limits_archived": False,
    }  # fmt: skip
    _check(team)
    if call.store.first("teams", name=team["name"]):
        raise Problem("store.sql_team.save_team.existing.app_error")
    call.store.put("teams", team["id"], team)
    membership.default_channels(call, team)
    if owner:
        membership.join_team(call, team["id"], owner, admin=True)
    return Answer(201, team)


@route("GET", "/teams", local=True, down=Problem("app.team.get_all.app_error"))
def listed(call):
    teams = sorted(call.store.find("teams"), key=lambda team: team["display_name"])
    if not call.admin:
        teams = [team for team in teams if not team["delete_at"] and team["type"] == "O"
                 and team["allow_open_invite"]]  # fmt: skip
    page = [_shown(call, team) for team in call.page(teams)]
    if call.flag("include_total_count"):
        return {"teams": page, "total_count": len(teams)}
    return page


@route("GET", "/teams/{team_id}", local=True)
def get(call):
    team = team_of(call)
    need_view(call, team)
    return _shown(call, team)


@route("GET", "/teams/name/{team:name}", local=True)
def by_name(call):
    team = team_by_name(call, call.parts["team"])
    need_view(call, team)
    return _shown(call, team)


@route("GET", "/teams/name/{team:name}/exists")
def exists(call):
    return {"exists": call.store.first("teams", name=call.parts["team"]) is not None}


@route("GET", "/teams/invite/{invite_id}", login=False)
def by_invitation(call):
    team = call.store.first("teams", invite_id=call.parts["invite_id"])
    if team is None:
        raise Problem("app.team.get_by_invite_id.finding.app_error", 404, "Unable to find the existing team.")
    return {name: team[name] for name in ("display_name", "description", "name", "id")}


@route("PUT", "/teams/{team_id}/patch", local=True)
def patch(call):
    team = team_of(call)
    given = call.json("team")
    need_manage(call, team["id"])
    for name in ("display_name", "description", "company_name", "allowed_domains", "allow_open_invite",
                 "group_constrained"):  # fmt: skip
        if given.get(name) is not None:
            team[name] = given[name]
    _check(team)
    return _keep(call, team)


@route("PUT", "/teams/{team_id}/privacy", local=True)
def privacy(call):
    team = team_of(call)
    wanted = call.json("body").get("privacy")
    if wanted not in ("O", "I"):
        raise invalid_body("privacy")
    need_manage(call, team["id"])
    team.update(type=wanted, allow_open_invite=wanted == "O")
    return _keep(call, team)


@route("DELETE", "/teams/{team_id}", local=True)
def delete(call):
    team = team_of(call)
    need_manage(call, team["id"])
    if not call.flag("permanent"):
        team["delete_at"] = now()
        _keep(call, team)
        return OK
    if not (call.local or call.config("ServiceSettings", "EnableAPITeamDeletion")):
        raise Problem("api.user.delete_team.not_enabled.app_error")
    membership.forget_team(call, team["id"])
    return OK


@route("POST", "/teams/{team_id}/restore", local=True)
def restore(call):
    team = team_of(call)
    need_manage(call, team["id"])
    team["delete_at"] = 0
    return _keep(call, team)


# -- members


@route("GET", "/teams/{team_id}/members", local=True)
def members(call):
    team = team_of(call)
    need_view(call, team)
    found = call.store.find("teammembers", team_id=team["id"], delete_at=0)
    return [membership.shown_team(one) for one in call.page(sorted(found, key=lambda one: one["user_id"]))]


@route("GET", "/teams/{team_id}/members/{user_id}")
def member(call):
    team_id, user_id = call.part("team_id"), call.part("user_id")
    found = membership.team_member(call, team_id, user_id)
    if found is None:
        raise Problem("app.team.get_member.missing.app_error")
    return membership.shown_team(found)


@route("POST", "/teams/{team_id}/members", local=True)
def add_member(call):
    team_id = call.part("team_id")
    given = call.json("team_member")
    if given.get("team_id") != team_id:
        raise invalid_body("team_id")
    if not is_id(given.get("user_id")):
        raise invalid_body("user_id")
    team = team_of(call)
    if not (call.admin or membership.in_team(call, team_id, call.user_id)
            or (call.user_id == given["user_id"] and team["allow_open_invite"])):  # fmt: skip
        raise forbidden()
    person = existing(call, given["user_id"])
    return Answer(201, membership.shown_team(membership.join_team(call, team_id, person)))


@route("POST", "/teams/{team_id}/members/batch")
def add_members(call):
    team_id = call.part("team_id")
    given = call.json("team_members", of=dict)
    if len(given) > _LARGEST_BATCH:
        raise invalid_body("too many members in batch")
    if not given:
        raise invalid_body("no members in batch")
    need_view(call, team_of(call))
    answer = []
    for one in given:
        if one.get("team_id") != team_id:
            raise invalid_body(f"team_id for member with user_id={one.get('user_id')}")
        answer.append(_batch_member(call, team_id, one.get("user_id"), call.flag("graceful")))
    return Answer(201, answer)


def _batch_member(call, team_id, user_id, graceful):
    try:
        made = membership.shown_team(membership.join_team(call, team_id, existing(call, user_id)))
    except Problem as error:
        if not graceful:
            raise
        told = error.body("")
        del told["request_id"]
        return {"user_id": user_id, "member": None, "error": told}
    return {"user_id": user_id, "member": made, "error": None} if graceful else made


@route("DELETE", "/teams/{team_id}/members/{user_id}", local=True)
def remove_member(call):
    team_id, user_id = call.part("team_id"), call.part("user_id")
    if call.user_id != user_id:
        need_manage(call, team_id)
    found = membership.team_member(call, team_id, user_id)
    if found is None:
        raise Problem("app.team.get_member.missing.app_error")
    membership.leave_team(call, found)
    return OK


@route("PUT", "/teams/{team_id}/members/{user_id}/schemeRoles")
def scheme_roles(call):
    team_id, user_id = call.part("team_id"), call.part("user_id")
    given = call.json("scheme_roles")
    need_manage(call, team_id)
    found = membership.team_member(call, team_id, user_id)
    if found is None:
        raise Problem("app.team.get_member.missing.app_error")
    found.update(scheme_user=bool(given.get("scheme_user")), scheme_admin=bool(given.get("scheme_admin")))
    membership.keep_team_member(call, found)
    return OK

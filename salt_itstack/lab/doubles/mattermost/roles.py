"""The built-in roles. Their rights are shown, not judged by: the routes know the few that matter."""

from salt_itstack.lab.doubles.mattermost.errors import Problem
from salt_itstack.lab.doubles.mattermost.routing import route

# The first three were recorded with their rights; of the others only the names are known here.
_RECORDED = {
    "system_guest": ("global_guest", ["create_direct_channel", "create_group_channel"]),
    "system_user": ("global_user", [
        "create_direct_channel", "restore_custom_group", "delete_custom_group", "create_custom_group",
        "delete_emojis", "manage_custom_group_members", "edit_custom_group", "create_group_channel",
        "list_public_teams", "join_public_teams", "create_emojis", "view_members", "create_team"]),
    "team_user": ("team_user", [
        "add_user_to_team", "read_public_channel", "join_public_channels", "playbook_public_create",
        "playbook_private_create", "invite_user", "create_public_channel", "list_team_channels",
        "create_private_channel", "view_team"]),
}  # fmt: skip
_NAMES = (
    "system_guest", "system_user", "system_admin", "system_user_manager", "system_read_only_admin",
    "system_manager", "system_custom_group_admin", "system_post_all", "system_post_all_public",
    "system_user_access_token", "team_guest", "team_user", "team_admin", "team_post_all",
    "team_post_all_public", "channel_guest", "channel_user", "channel_admin", "playbook_admin",
    "playbook_member", "run_admin", "run_member", "custom_group_user",
)  # fmt: skip


def known_roles():
    """The names of all roles."""
    return _NAMES


def _role(call, name):
    word, permissions = _RECORDED.get(name, (name, []))
    stamp = call.store.get("systems", "first")["at"]
    return {
        "id": call.server.fixed_id(f"role {name}"), "name": name,
        "display_name": f"authentication.roles.{word}.name",
        "description": f"authentication.roles.{word}.description", "create_at": stamp, "update_at": stamp,
        "delete_at": 0, "permissions": permissions, "scheme_managed": True, "built_in": True,
    }  # fmt: skip


@route("GET", "/roles", local=True)
def listed(call):
    call.need_admin()
    return [_role(call, name) for name in _NAMES]


@route("GET", "/roles/name/{role:name}", local=True)
def by_name(call):
    if call.parts["role"] not in _NAMES:
        raise Problem("app.role.get_by_name.app_error")
    return _role(call, call.parts["role"])


@route("POST", "/roles/names", local=True)
def by_names(call):
    return [_role(call, name) for name in call.json("rolenames", of=str) if name in _NAMES]

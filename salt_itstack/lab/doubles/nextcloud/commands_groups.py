"""group:* and security:bruteforce:*."""

import ipaddress

from salt_itstack.lab.doubles.nextcloud import people as rules
from salt_itstack.lab.doubles.nextcloud.commands_accounts import LIMITS, cached
from salt_itstack.lab.doubles.nextcloud.console import OUTPUT, Argument, Command, Option


def group_list(console):
    limit, offset = int(console.options["limit"] or 500), int(console.options["offset"] or 0)
    people = console.people
    told = {}
    for gid, shown in people.groups()[offset:][:limit]:
        if console.options.get("info"):
            told[gid] = {"displayName": shown, "backends": ["Database"], "users": people.members(gid)}
        else:
            told[gid] = people.members(gid)
    console.items(told)
    return 0


def group_add(console):
    try:
        gid = console.people.add_group(console.arguments["groupid"], console.options["display-name"])
    except rules.Exists:
        console.line(f'Group "{console.arguments["groupid"]}" already exists.')
        return 1
    except rules.Refused:
        console.line("Could not create group")
        return 2
    console.line(f'Created group "{gid}"')
    return 0


def group_delete(console):
    gid = console.arguments["groupid"]
    if gid == rules.ADMIN:
        console.line(f'Group "{gid}" could not be deleted.')
        return 1
    if not console.people.group(gid):
        console.line(f'Group "{gid}" does not exist.')
        return 1
    console.people.delete_group(gid)
    console.line(f'Group "{gid}" was removed')
    return 0


def group_info(console):
    found = console.people.group(console.arguments["groupid"])
    if not found:
        console.line(f'Group "{console.arguments["groupid"]}" does not exist.')
        return 1
    console.items({"groupID": found[0], "displayName": found[1], "backends": ["Database"]})
    return 0


def _membership(join):
    def run(console):
        gid, people = console.arguments["group"], console.people
        if not people.group(gid):
            console.line("group not found")
            return 1
        uids = console.arguments["user"]
        missing = 0
        for uid in uids:
            found = people.find(uid)
            if not found:
                console.line(f"user {uid} not found")
                missing += 1
                continue
            (people.join if join else people.leave)(gid, found[0])
            console.line(f"user {uid} {'added' if join else 'removed'}")
        if missing and missing < len(uids):
            done = "added to" if join else "removed from"
            console.line(f"Some users were not found, all others where {done} the group.")
        return 1 if missing else 0

    return run


def _address(console):
    try:
        return str(ipaddress.ip_address(console.arguments["ipaddress"]))
    except ValueError:
        console.line(f'"{console.arguments["ipaddress"]}" is not a valid IP address')
        return None


def attempts(console):
    address = _address(console)
    if address is None:
        return 1
    count = console.database.attempts(address)
    delay = 0 if not count else min(25000, 100 * 2**count)
    console.items({"bypass-listed": False, "attempts": count, "delay": delay})
    return 0


def reset(console):
    address = _address(console)
    if address is None:
        return 1
    console.database.forget_attempts(address)
    return 0


_MEMBERS = (Argument("group"), Argument("user", many=True))
COMMANDS = (
    Command("group:list", cached(group_list), (*LIMITS, Option("info", "i"), OUTPUT)),
    Command(
        "group:add", cached(group_add), (Option("display-name", mode="required"),), (Argument("groupid"),)
    ),
    Command("group:delete", cached(group_delete), (), (Argument("groupid"),)),
    Command("group:info", cached(group_info), (OUTPUT,), (Argument("groupid"),)),
    Command("group:adduser", cached(_membership(True)), (), _MEMBERS),
    Command("group:removeuser", cached(_membership(False)), (), _MEMBERS),
    Command("security:bruteforce:attempts", attempts, (OUTPUT,), (Argument("ipaddress"),)),
    Command("security:bruteforce:reset", reset, (), (Argument("ipaddress"),)),
)

"""What a command answers when it fails: FreeIPA's numbers, names and texts."""

from __future__ import annotations

from typing import Any


class RpcError(Exception):
    """
    A failure that goes to the caller.

    code, name
        FreeIPA's number and name of this kind of failure.
    message
        The text that a person reads.
    data
        The values in that text, by their names.
    """

    def __init__(self, code: int, name: str, message: str, /, **data: Any) -> None:
        super().__init__(message)
        self.code, self.name, self.message, self.data = code, name, message, data


class DirectoryDown(Exception):
    """The directory server doesn't answer: the real server then answers 503 to the whole request."""


def version_mismatch(client: str, server: str, address: str) -> RpcError:
    text = f"{client} client incompatible with {server} server at '{address}'"
    return RpcError(901, "VersionError", text, cver=client, sver=server, server=address)


def internal() -> RpcError:
    return RpcError(903, "InternalError", "an internal error has occurred")


def unknown_command(name: str) -> RpcError:
    return RpcError(905, "CommandError", f"unknown command '{name}'", name=name)


def bad_json(reason: str) -> RpcError:
    return RpcError(909, "JSONError", f"Invalid JSON-RPC request: {reason}", error=reason)


def denied(info: str) -> RpcError:
    return RpcError(2100, "ACIError", f"Insufficient access: {info}", info=info)


def too_many_arguments(command: str, count: int) -> RpcError:
    if count:
        text = f"command '{command}' takes at most {count} argument{'' if count == 1 else 's'}"
        return RpcError(3004, "MaxArgumentError", text, name=command, count=count)
    return RpcError(3003, "ZeroArgumentError", f"command '{command}' takes no arguments", name=command)


def unknown_option(name: str) -> RpcError:
    return RpcError(3005, "OptionError", f"Unknown option: {name}", option=name)


def option(text: str) -> RpcError:
    return RpcError(3005, "OptionError", text)


def required(name: str) -> RpcError:
    return RpcError(3007, "RequirementError", f"'{name}' is required", name=name)


def conversion(name: str, error: str) -> RpcError:
    return RpcError(3008, "ConversionError", f"invalid '{name}': {error}", name=name, error=error)


def validation(name: str, error: str) -> RpcError:
    return RpcError(3009, "ValidationError", f"invalid '{name}': {error}", name=name, error=error)


def not_found(reason: str) -> RpcError:
    return RpcError(4001, "NotFound", reason, reason=reason)


def duplicate(text: str = "This entry already exists") -> RpcError:
    return RpcError(4002, "DuplicateEntry", text)


def already_posix() -> RpcError:
    return RpcError(4007, "AlreadyPosixGroup", "This is already a posix group")


def already_enabled() -> RpcError:
    return RpcError(4009, "AlreadyActive", "This entry is already enabled")


def already_disabled() -> RpcError:
    return RpcError(4010, "AlreadyInactive", "This entry is already disabled")


def no_address_record(host: str) -> RpcError:
    text = f"Host '{host}' does not have corresponding DNS A/AAAA record"
    return RpcError(4019, "DNSNotARecordError", text, hostname=host)


def value_not_there(attribute: str, value: str) -> RpcError:
    return RpcError(
        4026, "AttrValueNotFound", f"{attribute} does not contain '{value}'", attr=attribute, value=value
    )


def dependent(key: str, label: str, users: str) -> RpcError:
    text = f"{key} cannot be deleted because {label} {users} requires it"
    return RpcError(4307, "DependentEntry", text, key=key, label=label, dependent=users)


def managed_group() -> RpcError:
    text = "Deleting a managed group is not allowed. It must be detached first."
    return RpcError(4020, "ManagedGroupError", text)


def managed_policy() -> RpcError:
    return RpcError(4021, "ManagedPolicyError", "A managed group cannot have a password policy.")


def several_matches(text: str) -> RpcError:
    return RpcError(4027, "SingleMatchExpected", text)


def nothing_to_change() -> RpcError:
    return RpcError(4202, "EmptyModlist", "no modifications to be performed")


def database(description: str, info: str) -> RpcError:
    return RpcError(4203, "DatabaseError", f"{description}: {info}", desc=description, info=info)


def class_violation(info: str) -> RpcError:
    return RpcError(4205, "ObjectclassViolation", info, info=info)


def exclusive(reason: str) -> RpcError:
    return RpcError(4303, "MutuallyExclusiveError", reason, reason=reason)


def protected(label: str, key: str, reason: str) -> RpcError:
    text = f"{label} {key} cannot be deleted/modified: {reason}"
    return RpcError(4309, "ProtectedEntryError", text, label=label, key=key, reason=reason)


def last_member(label: str, key: str, container: str) -> RpcError:
    text = f"{key} cannot be deleted or disabled because it is the last member of {label} {container}"
    return RpcError(4308, "LastMemberError", text, key=key, label=label, container=container)

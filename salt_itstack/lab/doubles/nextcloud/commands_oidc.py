"""user_oidc:* with the behaviour measured on 8.11.0-dev."""

from salt_itstack.lab.doubles.nextcloud import phpvalues
from salt_itstack.lab.doubles.nextcloud.console import OUTPUT as _PLAIN_OUTPUT
from salt_itstack.lab.doubles.nextcloud.console import Argument, Command, Option
from salt_itstack.lab.doubles.nextcloud.providers import APP, DEFAULT_SCOPE, SETTINGS, Providers

# Option -> setting, in the order of the command's synopsis.
OPTIONS = {
    "unique-uid": "uniqueUid",
    "check-bearer": "checkBearer",
    "bearer-provisioning": "bearerProvisioning",
    "send-id-token-hint": "sendIdTokenHint",
    "mapping-display-name": "mappingDisplayName",
    "mapping-email": "mappingEmail",
    "mapping-quota": "mappingQuota",
    "mapping-uid": "mappingUid",
    "extra-claims": "extraClaims",
    "mapping-language": "mappingLanguage",
    "mapping-locale": "mappingLocale",
    "mapping-website": "mappingWebsite",
    "mapping-avatar": "mappingAvatar",
    "mapping-twitter": "mappingTwitter",
    "mapping-fediverse": "mappingFediverse",
    "mapping-organisation": "mappingOrganisation",
    "mapping-role": "mappingRole",
    "mapping-headline": "mappingHeadline",
    "mapping-biography": "mappingBiography",
    "mapping-phone": "mappingPhonenumber",
    "mapping-gender": "mappingGender",
    "mapping-pronouns": "mappingPronouns",
    "mapping-birthdate": "mappingBirthdate",
    "mapping-address": "mappingAddress",
    "mapping-street_address": "mappingStreetaddress",
    "mapping-postal_code": "mappingPostalcode",
    "mapping-locality": "mappingLocality",
    "mapping-region": "mappingRegion",
    "mapping-country": "mappingCountry",
    "group-provisioning": "groupProvisioning",
    "group-whitelist-regex": "groupWhitelistRegex",
    "group-restrict-login-to-whitelist": "restrictLoginToGroups",
    "mapping-groups": "mappingGroups",
    "resolve-nested-claims": "nestedAndFallbackClaims",
}
_COLUMNS = {
    "clientid": "client_id",
    "discoveryuri": "discovery_endpoint",
    "endsessionendpointuri": "end_session_endpoint",
    "postlogouturi": "post_logout_uri",
}


class _SecretProblem(Exception):
    pass


def _secret(console):
    """The client secret from the three options, or None; says where it was read from as the app does."""
    given, path, variable = (
        console.options[name] for name in ("clientsecret", "clientsecret-file", "clientsecret-env")
    )
    if sum(value is not None for value in (given, path, variable)) > 1:
        raise _SecretProblem(
            'Only one of "--clientsecret", "--clientsecret-file" or "--clientsecret-env" can be used.'
        )
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                given = file.read().strip()
        except OSError:
            given = ""
        if not given:
            raise _SecretProblem(f'Client secret file "{path}" could not be read or is empty')
        console.line(f'Client secret loaded from file "{path}"')
    elif variable is not None:
        given = console.environment.get(variable, "")
        if not given:
            raise _SecretProblem(
                f'Client secret environment variable "{variable}" could not be read or is empty'
            )
        console.line(f'Client secret loaded from environment variable "{variable}"')
    return given


def provider(console):
    """Show all, show one, create or update, by what is given."""
    providers = Providers(console.database, console.config)
    identifier, options = console.arguments["identifier"], console.options
    try:
        secret = _secret(console)
    except _SecretProblem as problem:
        console.line(str(problem))
        return 1
    if identifier is None:
        return _show_all(console, providers)
    # The two indirect secret options don't count as an update, as measured.
    changes = ("clientsecret", "scope", *_COLUMNS, *OPTIONS)
    if all(options[name] is None for name in changes):
        return _show(console, providers, identifier)
    found = providers.by_identifier(identifier)
    if found is None:
        if not (options["clientid"] and secret and options["discoveryuri"]):
            console.line("Provider must be created. All provider parameters required.")
            return -1
        found = providers.create(
            identifier,
            options["clientid"],
            secret,
            options["discoveryuri"],
            options["scope"] or DEFAULT_SCOPE,
            options["endsessionendpointuri"],
            options["postlogouturi"],
        )
    else:
        values = {column: options[name] for name, column in _COLUMNS.items() if options[name] is not None}
        if options["scope"] is not None:
            values["scope"] = options["scope"]
        if secret:
            values["secret"] = secret
        providers.update(found.id, **values)
    for name, setting in OPTIONS.items():
        value = options[name]
        if value is not None:
            if isinstance(SETTINGS[setting], bool):
                value = "0" if value == "0" else "1"
            providers.set(found.id, setting, value)
    return 0


def _show(console, providers, identifier):
    found = providers.by_identifier(identifier)
    if found is None:
        console.line("Provider not found")
        return -1
    told = {**found.told(), "settings": providers.settings(found.id)}
    if console.options["output"] in ("json", "json_pretty"):
        console.value(told)
        return 0
    told["settings"] = phpvalues.to_json(told["settings"])
    heads = [
        "ID",
        "Identifier",
        "Client ID",
        "Discovery endpoint",
        "End session endpoint",
        "Advanced settings",
    ]
    _table(console, heads, [list(told.values())])
    return 0


def _show_all(console, providers):
    found = [one.told() for one in providers.all()]
    if console.options["output"] in ("json", "json_pretty"):
        console.value(found)
        return 0
    if not found:
        console.line("No providers configured")
        return 0
    names = ("id", "identifier", "discoveryEndpoint", "endSessionEndpoint", "clientId")
    heads = ["ID", "Identifier", "Discovery endpoint", "End session endpoint", "Client ID"]
    _table(console, heads, [[one[name] for name in names] for one in found])
    return 0


def _table(console, heads, rows):
    width = max(len(row) for row in (heads, *rows))
    cells = [
        ["" if cell is None else str(cell) for cell in row] + [""] * (width - len(row))
        for row in (heads, *rows)
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(width)]
    rule = "+" + "+".join("-" * (size + 2) for size in widths) + "+"
    lines = ["| " + " | ".join(cell.ljust(size) for cell, size in zip(row, widths)) + " |" for row in cells]
    for line in (rule, lines[0], rule, *lines[1:], rule):
        console.line(line)


def providers_list(console):
    """One JSON object per provider, the secret masked; plain output is the same object over many lines."""
    providers = Providers(console.database, console.config)
    for found in providers.all():
        told = {**found.told(), "clientSecret": "********", "settings": providers.settings(found.id)}
        console.line(phpvalues.to_json(told, pretty=console.options["output"] != "json"))
    return 0


def provider_delete(console):
    providers = Providers(console.database, console.config)
    identifier = console.arguments["identifier"]
    found = providers.by_identifier(identifier)
    if found is None:
        console.line("Provider not found.")
        return -1
    if not console.options.get("force"):
        question = (
            f'Are you sure you want to delete OpenID Provider "{identifier}"? It may invalidate all'
            f" associated user"
            " accounts [y/N] "
        )
        console.stderr.write(question)
        answer = console.stdin.readline() if console.interactive else ""
        if not answer.strip().lower().startswith("y"):
            return 0
    providers.delete(found.id)
    console.line(f'"{identifier}" has been deleted.')
    return 0


_IDENTIFIER = Argument("identifier", required=False)
COMMANDS = (
    Command(
        "user_oidc:provider",
        provider,
        (
            Option("clientid", "c", mode="required"),
            Option("clientsecret", "s", mode="required"),
            Option("clientsecret-file", mode="required"),
            Option("clientsecret-env", mode="required"),
            Option("discoveryuri", "d", mode="required"),
            Option("endsessionendpointuri", "e", mode="required"),
            Option("postlogouturi", "p", mode="required"),
            Option("scope", "o", mode="optional"),
            *(Option(name, mode="required") for name in OPTIONS),
            _PLAIN_OUTPUT,
        ),
        (_IDENTIFIER,),
        app=APP,
    ),
    Command("user_oidc:providers", providers_list, (_PLAIN_OUTPUT, Option("sensitive", "s")), app=APP),
    Command(
        "user_oidc:provider:delete",
        provider_delete,
        (Option("force", "f"),),
        (Argument("identifier"),),
        app=APP,
    ),
)

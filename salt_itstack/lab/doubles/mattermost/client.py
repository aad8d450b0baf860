"""What clients are told of the configuration, as texts: a little to anybody, more to those who logged in."""

import hashlib
import json

#: Name of the client's key -> where it comes from, when the name says it differently or not at all.
_KEYS = {
    "TeamSettings": (
        "SiteName", "EnableUserCreation", "EnableOpenServer", "EnableJoinLeaveMessageByDefault",
        "CustomBrandText", "CustomDescriptionText", "EnableCustomBrand"),
    "ServiceSettings": (
        "SiteURL", "EnableBotAccountCreation", "EnableDesktopLandingPage", "EnableCustomEmoji",
        "EnableMultifactorAuthentication", "EnforceMultifactorAuthentication", "EnableUserStatuses",
        "WebsocketURL", "WebsocketPort", "WebsocketSecurePort"),
    "EmailSettings": ("EnableSignInWithEmail", "EnableSignInWithUsername", "EnableSignUpWithEmail"),
    "SupportSettings": (
        "AboutLink", "AllowDownloadLogs", "EnableAskCommunityLink", "ForgotPasswordLink", "HelpLink",
        "PrivacyPolicyLink", "ReportAProblemLink", "ReportAProblemMail", "ReportAProblemType",
        "SupportEmail", "TermsOfServiceLink"),
    "ClientRequirements": (
        "AndroidLatestVersion", "AndroidMinVersion", "IosLatestVersion", "IosMinVersion"),
    "NativeAppSettings": (
        "AndroidAppDownloadLink", "AppDownloadLink", "IosAppDownloadLink", "MobileExternalBrowser"),
    "LocalizationSettings": ("DefaultClientLocale",),
    "LogSettings": ("EnableDiagnostics", "EnableFile", "FileLevel"),
    "MetricsSettings": ("EnableClientMetrics",),
}  # fmt: skip
_RENAMED = {
    "DiagnosticsEnabled": ("LogSettings", "EnableDiagnostics"),
    "EmailLoginButtonBorderColor": ("EmailSettings", "LoginButtonBorderColor"),
    "EmailLoginButtonColor": ("EmailSettings", "LoginButtonColor"),
    "EmailLoginButtonTextColor": ("EmailSettings", "LoginButtonTextColor"),
    "EnableSignUpWithGitLab": ("GitLabSettings", "Enable"),
    "GitLabButtonColor": ("GitLabSettings", "ButtonColor"),
    "GitLabButtonText": ("GitLabSettings", "ButtonText"),
    "HasImageProxy": ("ImageProxySettings", "Enable"),
    "PasswordEnableForgotLink": ("PasswordSettings", "EnableForgotLink"),
    "PasswordMinimumLength": ("PasswordSettings", "MinimumLength"),
    "PasswordRequireLowercase": ("PasswordSettings", "Lowercase"),
    "PasswordRequireNumber": ("PasswordSettings", "Number"),
    "PasswordRequireSymbol": ("PasswordSettings", "Symbol"),
    "PasswordRequireUppercase": ("PasswordSettings", "Uppercase"),
    "PluginsEnabled": ("PluginSettings", "Enable"),
}
#: What doesn't depend on the configuration of a server without a licence.
_FIXED = {
    "AppsPluginEnabled": "false", "BuildDate": "2025-10-31", "BuildEnterpriseReady": "false",
    "BuildHash": "e7e23b94e0060019d73e678578c57b4838ac12f3", "BuildHashEnterprise": "none",
    "BuildNumber": "10.11.6", "CWSURL": "", "EnableComplianceExport": "false",
    "EnableGuestAccounts": "false", "EnableLdap": "false", "EnableSaml": "false",
    "EnableSignUpWithGoogle": "false", "EnableSignUpWithOffice365": "false",
    "EnableSignUpWithOpenId": "false", "GuestAccountsEnforceMultifactorAuthentication": "false",
    "HideGuestTags": "false", "LdapLoginButtonBorderColor": "", "LdapLoginButtonColor": "",
    "LdapLoginButtonTextColor": "", "LdapLoginFieldName": "", "OpenIdButtonColor": "",
    "OpenIdButtonText": "", "SamlLoginButtonBorderColor": "", "SamlLoginButtonColor": "",
    "SamlLoginButtonText": "", "SamlLoginButtonTextColor": "", "ServiceEnvironment": "dev",
    "Version": "10.11.6",
}  # fmt: skip
_AFTER_LOGIN = {
    "ServiceSettings": (
        "EnableIncomingWebhooks", "EnableOutgoingWebhooks", "EnableCommands", "EnablePostUsernameOverride",
        "EnablePostIconOverride", "EnableUserAccessTokens", "EnableOAuthServiceProvider",
        "EnableLinkPreviews", "EnableTesting", "EnableDeveloper", "PostEditTimeLimit",
        "MinimumHashtagLength", "CollapsedThreads", "EnableEmailInvitations", "EnableTutorial"),
    "TeamSettings": (
        "RestrictDirectMessage", "TeammateNameDisplay", "MaxNotificationsPerChannel",
        "EnableConfirmNotificationsToChannel", "ExperimentalViewArchivedChannels",
        "ExperimentalPrimaryTeam", "LockTeammateNameDisplay"),
    "EmailSettings": (
        "SendEmailNotifications", "SendPushNotifications", "RequireEmailVerification",
        "EnableEmailBatching", "EnablePreviewModeBanner"),
    "FileSettings": ("EnableFileAttachments", "EnablePublicLink", "MaxFileSize"),
    "LocalizationSettings": ("AvailableLocales",),
}  # fmt: skip


def text(value):
    """A setting as clients get it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _limited(call):
    config = call.config
    answer = dict(_FIXED)
    for section, names in _KEYS.items():
        answer.update({name: text(config(section, name)) for name in names})
    answer.update({name: text(config(*path)) for name, path in _RENAMED.items()})
    answer.update({f"FeatureFlag{name}": text(on) for name, on in config.tree["FeatureFlags"].items()})
    return answer


def configuration(call):
    """The client's configuration for this caller."""
    answer = _limited(call)
    server = call.store.get("systems", "first")
    answer.update(
        AsymmetricSigningPublicKey=server["public_key"], DiagnosticId=server["diagnostic_id"],
        TelemetryId=server["diagnostic_id"],
        NoAccounts=text(call.store.count("users") == 0),
    )  # fmt: skip
    if call.session or call.local:
        for section, names in _AFTER_LOGIN.items():
            answer.update({name: text(call.config(section, name)) for name in names})
        answer.update(MaxPostSize="16383", SQLDriverName=call.config("SqlSettings", "DriverName"))
        del answer["NoAccounts"]
    return answer


def digest(config):
    """Changes when a client would see another configuration."""
    parts = [config.tree[section] for section in sorted(_KEYS)]
    return hashlib.md5(json.dumps(parts, sort_keys=True).encode(), usedforsecurity=False).hexdigest()

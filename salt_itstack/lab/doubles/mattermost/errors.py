"""The errors that the interface answers with: their ids, statuses and texts as recorded."""

SIZES_OF_USERNAME = (
    "Username must begin with a letter, and contain between 3 to 22 lowercase characters made up of numbers,"
    ' letters, and the symbols ".", "-", and "_".'
)
NO_TEAM = "Unable to find the existing team."
NO_BODY_PART = "Invalid or missing {name} in request body."

#: id -> (status, text)
KNOWN = {
    "api.bot.create_disabled": (403, "Bot creation has been disabled."),
    "api.channel.delete_channel.cannot.app_error": (400, "Unable to delete the default channel {name}."),
    "api.channel.delete_channel.deleted.app_error": (400, "The channel has been archived or deleted."),
    "api.channel.restore_channel.restored.app_error":
        (400, "Unable to unarchive channel. The channel is not archived."),
    "api.config.client.old_format.app_error":
        (501, "New format for the client configuration is not supported yet. Please specify format=old in the"
              " query string."),
    "api.config.update_config.clear_siteurl.app_error": (400, "Site URL cannot be cleared."),
    "api.config.update_config.not_allowed_security.app_error":
        (403, "Changing {name} is not allowed due to security reasons."),
    "api.context.404.app_error": (404, "Sorry, we could not find the page."),
    "api.context.invalid_body_param.app_error": (400, NO_BODY_PART),
    "api.context.invalid_param.app_error": (400, "Invalid {name} parameter."),
    "api.context.invalid_url_param.app_error":
        (400, "Invalid or missing {name} parameter in request URL."),
    "api.context.permissions.app_error": (403, "You do not have the appropriate permissions."),
    "api.context.request_body_too_large.app_error":
        (413, "Unable to process request. Request body too large."),
    "api.context.session_expired.app_error": (401, "Invalid or expired session, please login again."),
    "api.incoming_webhook.disabled.app_error":
        (501, "Incoming webhooks have been disabled by the system admin."),
    "api.incoming_webhook.invalid_username.app_error": (400, "Invalid username."),
    "api.outgoing_webhook.disabled.app_error":
        (501, "Outgoing webhooks have been disabled by the system admin."),
    "api.post.create_post.can_not_post_to_deleted.error": (400, "Can not post to deleted channel."),
    "api.post.create_post.root_id.app_error": (400, "Invalid RootId parameter."),
    "api.user.check_user_login_attempts.too_many.app_error":
        (401, "Your account is locked because of too many failed password attempts. Please reset your"
              " password."),
    "api.user.create_user.signup_email_disabled.app_error": (501, "User sign-up with email is disabled."),
    "api.user.delete_team.not_enabled.app_error":
        (401, "Permanent team deletion feature is not enabled. Please contact your System Administrator."),
    "api.user.delete_channel.not_enabled.app_error":
        (401, "Permanent channel deletion feature is not enabled. Please contact your System Administrator."),
    "api.user.delete_user.not_enabled.app_error":
        (401, "Permanent user deletion feature is not enabled. Please contact your System Administrator."),
    "api.user.login.blank_pwd.app_error": (400, "Password field must not be blank"),
    "api.user.login.bot_login_forbidden.app_error": (401, "Bot login is forbidden."),
    "api.user.login.inactive.app_error":
        (401, "Login failed because your account has been deactivated.  Please contact an administrator."),
    "api.user.login.invalid_credentials_email_username":
        (401, "Enter a valid email or username and/or password."),
    "api.user.login.invalid_credentials_sso":
        (401, "Enter a valid email or username and/or password, or sign in using another method."),
    "api.user.patch_user.login_provider_attribute_set.app_error":
        (409, "Field '{name}' must be set through user's login provider."),
    "api.user.update_user_auth.invalid_request":
        (400, "Request is missing either AuthData or AuthService parameter."),
    "api.webhook.create_outgoing.intersect.app_error":
        (500, "Outgoing webhooks from the same channel cannot have the same trigger words/callback URLs."),
    "api.webhook.create_outgoing.triggers.app_error":
        (400, "Either trigger_words or channel_id must be set."),
    "api.webhook.team_mismatch.app_error": (400, "Unable to update webhook across teams."),
    "app.channel.create_channel.internal_error": (500, "Unable to save channel."),
    "app.channel.get.existing.app_error": (404, "Unable to find the existing channel {name}."),
    "app.channel.get_by_name.missing.app_error": (404, "Channel does not exist."),
    "app.channel.get_channels.not_found.app_error": (404, "No channels were found."),
    "app.channel.get_member.missing.app_error":
        (404, "No channel member found for that user ID and channel ID."),
    "app.channel.update.bad_id": (400, "Unable to update the channel."),
    "app.emoji.get_by_name.no_result": (404, "We couldn’t find the emoji."),
    "app.post.get.app_error": (404, "Unable to get the post."),
    "app.role.check_roles_exist.role_not_found": (400, "The provided role does not exist"),
    "app.role.get_by_name.app_error": (404, "Unable to get role."),
    "app.team.get.find.app_error": (404, NO_TEAM),
    "app.team.get_all.app_error": (500, "We could not get all teams."),
    "app.team.get_by_name.missing.app_error": (404, NO_TEAM),
    "app.team.get_member.missing.app_error": (404, "No team member found for that user ID and team ID."),
    "app.user.get_by_username.app_error":
        (404, "Unable to find an existing account matching your username for this team. This team may require"
              " an invite from the team owner to join."),
    "app.user.missing_account.const": (404, "Unable to find the user."),
    "app.user.save.email_exists.app_error": (400, "An account with that email already exists."),
    "app.user.save.username_exists.app_error": (400, "An account with that username already exists."),
    "app.user_access_token.disabled":
        (501, "Personal access tokens are disabled on this server. Please contact your system administrator"
              " for details."),
    "app.user_access_token.get_by_user.app_error":
        (404, "Unable to get the personal access tokens by user."),
    "app.user_terms_of_service.get_by_user.app_error": (500, "Unable to fetch terms of service."),
    "app.webhooks.get_incoming.app_error": (404, "Unable to get the webhook."),
    "app.webhooks.get_outgoing.app_error": (404, "Unable to get the webhook."),
    "model.bot.is_valid.username.app_error": (400, "Invalid username."),
    "model.channel.is_valid.1_or_more.app_error":
        (400, "Name must be 1 or more lowercase alphanumeric character."),
    "model.channel.is_valid.display_name.app_error": (400, "Invalid display name."),
    "model.channel.is_valid.header.app_error": (400, "Invalid header."),
    "model.channel.is_valid.purpose.app_error": (400, "Invalid purpose."),
    "model.channel.is_valid.type.app_error": (400, "Invalid type."),
    "model.config.is_valid.localization.available_locales.app_error":
        (400, "Available Languages must contain Default Client Language."),
    "model.config.is_valid.max_users.app_error":
        (400, "Invalid maximum users per team for team settings. Must be a positive number."),
    "model.config.is_valid.webserver_security.app_error":
        (400, "Invalid value for webserver connection security."),
    "model.incoming_hook.description.app_error": (400, "Invalid description."),
    "model.incoming_hook.display_name.app_error": (400, "Invalid title."),
    "model.incoming_hook.icon_url.app_error": (400, "Invalid post icon."),
    "model.outgoing_hook.is_valid.url.app_error":
        (400, "Invalid callback URLs. Each must be a valid URL and start with http:// or https://."),
    "model.team.is_valid.name.app_error": (400, "Invalid name."),
    # Unconfirmed: not recorded.
    "model.team.is_valid.url.app_error": (400, "Invalid URL Identifier."),
    "model.team.is_valid.reserved.app_error":
        (400, "This URL is unavailable. Please try another."),
    "model.team.is_valid.characters.app_error":
        (400, "Name must be 2 or more lowercase alphanumeric characters."),
    "model.team.is_valid.type.app_error": (400, "Invalid type."),
    "model.post.is_valid.msg.app_error": (400, "Invalid message."),
    "model.user.is_valid.email.app_error": (400, "Invalid email."),
    "model.user.is_valid.pwd_min_length.app_error":
        (400, "Your password must contain at least {name} characters."),
    "model.user.is_valid.username.app_error": (400, SIZES_OF_USERNAME),
    "store.sql_bot.get.missing.app_error": (404, "Bot does not exist."),
    "store.sql_channel.save_channel.exists.app_error":
        (400, "A channel with that name already exists on the same team."),
    "store.sql_team.save_team.existing.app_error": (400, "A team with this URL already exists."),
    "web.incoming_webhook.decode.app_error":
        (400, "Failed to decode the payload of media type {media} for incoming webhook {name}."),
    "web.incoming_webhook.general.app_error":
        (400, "Failed to handle the payload of media type {media} for incoming webhook {name}."),
}  # fmt: skip


class Problem(Exception):
    """An answer that is an error. ``status`` overrides the id's usual one."""

    def __init__(self, error_id, status=0, text="", detail="", **names):
        usual, usual_text = KNOWN.get(error_id, (500, ""))
        self.id, self.status, self.detail = error_id, status or usual, detail
        self.text = (text or usual_text).format(**names) if names else text or usual_text
        super().__init__(f"{self.status} {error_id}: {self.text}")

    def body(self, request_id):
        """The JSON object that is answered."""
        return {
            "id": self.id,
            "message": self.text,
            "detailed_error": self.detail,
            "request_id": request_id,
            "status_code": self.status,
        }


def invalid_body(name):
    """Something in the request's body is missing or can't be read."""
    return Problem("api.context.invalid_body_param.app_error", name=name)


def invalid_url(name):
    """A part of the URL isn't an id or name."""
    return Problem("api.context.invalid_url_param.app_error", name=name)


def forbidden():
    """The session lacks the right."""
    return Problem("api.context.permissions.app_error")

"""A double of Mattermost 10.11.6 Team Edition without a licence: the REST interface, incoming and outgoing
hooks, and local mode.

It keeps its configuration in ``config.json`` by the real key names and everything else in the PostgreSQL
database that ``SqlSettings.DataSource`` names, in tables with the real names but one JSON column. What it
answers follows recorded answers of a real server. What isn't offered is answered with 501 or 404, never with
a success: no web client, no websocket, no single sign-on, no LDAP, no plugins, no files, no e-mail.
"""

"""
A FreeIPA server's directory tree and JSON-RPC interface, on top of a real 389 Directory Server.

People, groups and accounts are entries of the real directory, so that applications which bind to it see
what they would see in FreeIPA, with the same access rules; RPC commands run with the caller's own rights
there. What a command answers follows recorded answers of ipaserver 4.13.1. What isn't offered is answered
as an unknown command, never with a success. There's no Kerberos, no certificate authority, no DNS server.

``schema``, by which a server describes all its commands, is among what isn't offered: FreeIPA's own client
then takes the signatures that it brings along for older servers. It sends every switch that it knows of;
one that the double has no use for is accepted as false, and refused as true.
"""

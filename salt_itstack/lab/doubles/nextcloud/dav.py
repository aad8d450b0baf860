"""Files over DAV below ``/remote.php/dav/files/<uid>/``: OPTIONS, PROPFIND, GET, HEAD, PUT, MKCOL and
DELETE."""

import contextlib
import email.utils
import mimetypes
import os
import re
import secrets
import shutil
import urllib.parse
import xml.sax.saxutils

from salt_itstack.lab.doubles.nextcloud import cache, web
from salt_itstack.lab.doubles.nextcloud.dav_xml import (
    FEATURES,
    Failure,
    check_name,
    clark,
    error,
    multistatus,
    parsed,
    short,
)

_ALLOW = "OPTIONS, GET, HEAD, DELETE, PROPFIND, PUT, PROPPATCH, COPY, MOVE, REPORT"
_DEFAULT = (
    "d:getlastmodified",
    "d:getcontentlength",
    "d:resourcetype",
    "d:quota-used-bytes",
    "d:quota-available-bytes",
    "d:getetag",
    "d:getcontenttype",
)


def nobody(kind):
    """The answer to a request without a valid login; ``kind`` as in :class:`~.web.NotLoggedIn`."""
    if kind == "disabled":
        return error(Failure(503, "ServiceUnavailable", "OC\\User\\DisabledUserException: Account disabled"))
    if kind == "throttled":
        return error(Failure(429, "OCA\\DAV\\Connector\\Sabre\\Exception\\TooManyRequests", ""))
    why = (
        "Username or password was incorrect"
        if kind == "wrong"
        else (
            "No 'Authorization: Basic' header found. Either the client didn't send one, or the server is"
            " misconfigured"
        )
    )
    answer = error(
        Failure(
            401,
            "NotAuthenticated",
            (
                f"No public access to this resource., This request is not for a federated calendar, {why}, No"
                " 'Authorization: Bearer' header found. Either the client didn't send one, or the server"
                " is mis-configured,"
                f" {why}"
            ),
        )
    )
    return answer.with_header("WWW-Authenticate", 'Basic realm="Nextcloud", charset="UTF-8"')


class Files:
    """One request on a home folder."""

    def __init__(self, installation, request, login, owner, path):
        self.installation = installation
        self.request = request
        self.login = login
        self.owner = owner
        self.path = "/" + path.strip("/") if path.strip("/") else ""
        self.people = installation.people
        self.database = installation.database
        self.root = os.path.join(self.people.home(owner), "files")

    def real(self, path):
        """The place of a path on the disk."""
        return os.path.join(self.root, path.lstrip("/"))

    def answer(self):
        """The answer, failures included."""
        handler = getattr(self, f"_{self.request.method.lower()}", None)
        try:
            if not self.people.find(self.owner):
                raise Failure(404, "NotFound", f"Principal with name {self.owner} not found")
            if any(part in (".", "..") for part in self.path.split("/")):
                raise Failure(403, "Forbidden", "")
            if handler is None:
                raise Failure(
                    501,
                    "NotImplemented",
                    (
                        f"There was no plugin in the system that was willing to handle this"
                        f" {self.request.method} method."
                    ),
                )
            return handler()
        except Failure as failure:
            answer = error(failure)
            if self.request.method == "PROPFIND" and failure.status == 404:
                answer.with_header("DAV", FEATURES)
            return answer
        except cache.CacheFailure as failure:
            # Locks in a Redis that is away: what only reads still works, a write ends in the server's error.
            return error(Failure(500, "RedisException\\", str(failure)))

    @contextlib.contextmanager
    def _locked(self):
        locks = cache.locking(self.installation.config)
        if locks is None:
            yield
            return
        try:
            held = locks.lock(f"{self.owner}/files{self.path}")
        except cache.Locked:
            locks.close()
            raise Failure(
                423, "OCA\\DAV\\Connector\\Sabre\\Exception\\FileLocked", f'"{self.path}" is locked'
            )
        try:
            yield
        finally:
            locks.unlock(held)
            locks.close()

    # -- the table beside the disk

    def row(self, path):
        """(file id, entity tag, checksum) of a path, made when missing."""
        rows = self.database.run(
            "SELECT fileid, etag, checksum FROM oc_filecache WHERE uid = %s AND path = %s", self.owner, path
        )
        return rows[0] if rows else self.note(path)

    def note(self, path, checksum=None):
        """Give a path a new entity tag, and its parents too. Returns its row."""
        parent = path
        while parent:
            parent = parent.rpartition("/")[0]
            self._note(parent, None)
        return self._note(path, checksum)

    def _note(self, path, checksum):
        return self.database.run(
            "INSERT INTO oc_filecache (uid, path, etag, checksum) VALUES (%s, %s, %s, %s) ON CONFLICT"
            " (uid, path)"
            " DO UPDATE SET etag = EXCLUDED.etag, checksum = EXCLUDED.checksum RETURNING fileid, etag,"
            " checksum",
            self.owner,
            path,
            secrets.token_hex(16),
            checksum,
        )[0]

    def _number(self, fileid):
        return f"{fileid:08d}{self.installation.config.get('instanceid')}"

    # -- methods

    def _found(self):
        place = self.real(self.path)
        if not os.path.exists(place) or (self.login.uid != self.owner and self.path):
            raise Failure(404, "NotFound", f"File with name {self.path} could not be located")
        return place

    def _parent(self, status, kind, message):
        parent = self.path.rpartition("/")[0]
        if not os.path.isdir(self.real(parent)):
            raise Failure(status, kind, message.format(parent=parent))

    def _options(self):
        return web.Answer(
            200, b"", [("Allow", _ALLOW), ("DAV", FEATURES), ("Content-Type", "text/html; charset=UTF-8")]
        )

    def _get(self):
        place = self._found()
        if os.path.isdir(place):
            text = (
                "This is the WebDAV interface. It can only be accessed by WebDAV clients such as the"
                " Nextcloud desktop"
                " sync client."
            )
            return web.Answer(200, text.encode(), [("Content-Type", "text/html; charset=UTF-8")])
        with open(place, "rb") as file:
            body = file.read()
        _, tag, _ = self.row(self.path)
        headers = [
            ("Content-Type", mimetypes.guess_type(place)[0] or "application/octet-stream"),
            ("ETag", f'"{tag}"'),
            ("OC-ETag", f'"{tag}"'),
        ]
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.request.header("range"))
        if match and int(match.group(1)) < len(body):
            last = min(int(match.group(2) or len(body) - 1), len(body) - 1)
            part = body[int(match.group(1)) : last + 1]
            headers.append(("Content-Range", f"bytes {match.group(1)}-{last}/{len(body)}"))
            return web.Answer(206, part, headers)
        return web.Answer(200, body, headers)

    _head = _get

    def _preconditions(self):
        exists = os.path.exists(self.real(self.path))
        wanted = self.request.header("if-match")
        if wanted:
            extra = "  <s:header>If-Match</s:header>\n"
            if not exists:
                message = "An If-Match header was specified and the resource did not exist"
                raise Failure(412, "PreconditionFailed", message, extra)
            tag = f'"{self.row(self.path)[1]}"'
            if wanted != "*" and tag not in [part.strip() for part in wanted.split(",")]:
                message = "An If-Match header was specified, but none of the specified ETags matched."
                raise Failure(412, "PreconditionFailed", message, extra, [("ETag", tag)])
        if self.request.header("if-none-match") == "*" and exists:
            message = "An If-None-Match header was specified, but the ETag matched (or * was specified)."
            raise Failure(412, "PreconditionFailed", message, "  <s:header>If-None-Match</s:header>\n")

    def _put(self):
        request, name = self.request, self.path.rpartition("/")[2]
        if self.login.uid != self.owner:
            raise Failure(403, "Forbidden", f"Permission denied to create file (filename {name})")
        if request.header("content-range"):
            raise Failure(400, "BadRequest", "Content-Range on PUT requests are forbidden.")
        self._preconditions()
        check_name(name, self.path)
        place = self.real(self.path)
        if os.path.isdir(place):
            raise Failure(409, "Conflict", "PUT is not allowed on non-files.")
        if request.header("x-nc-webdav-auto-mkcol") == "1":
            os.makedirs(os.path.dirname(place), exist_ok=True)
        self._parent(404, "NotFound", "File with name {parent} could not be located")
        moment = request.header("x-oc-mtime")
        existed = os.path.exists(place)
        free = self.people.storage(self.owner)
        if free["quota"] >= 0 and len(request.body) > free["free"]:
            raise Failure(507, "InsufficientStorage", f"Insufficient space in {self.path}")
        with self._locked():
            with open(place, "wb") as file:
                file.write(request.body)
            fileid, tag, _ = self.note(self.path, request.header("oc-checksum") or None)
        if moment and not moment.isdigit():
            message = f'X-OC-MTime header must be a valid integer (unix timestamp), got "{moment}".'
            raise Failure(500, "InvalidArgumentException", message)
        answer = web.empty(204 if existed else 201)
        if moment:
            os.utime(place, (int(moment), int(moment)))
            answer.with_header("X-OC-MTime", "accepted")
        for header, value in (
            ("OC-FileId", self._number(fileid)),
            ("ETag", f'"{tag}"'),
            ("OC-ETag", f'"{tag}"'),
            ("X-NC-OwnerId", self.owner),
        ):
            answer.with_header(header, value)
        return answer

    def _mkcol(self):
        if self.login.uid != self.owner:
            raise Failure(403, "Forbidden", "Permission denied to create directory")
        if self.request.body:
            root = parsed(self.request.body)
            raise Failure(
                400,
                "BadRequest",
                f"Expected {{DAV:}}mkcol but received {clark(root.tag)} as the root element",
            )
        check_name(self.path.rpartition("/")[2], self.path)
        place = self.real(self.path)
        if os.path.exists(place):
            message = "The resource you tried to create already exists"
            raise Failure(405, "MethodNotAllowed", message, headers=[("Allow", _ALLOW)])
        self._parent(409, "Conflict", "Parent node does not exist")
        with self._locked():
            os.mkdir(place)
            fileid, _, _ = self.note(self.path)
        return web.empty(201).with_header("OC-FileId", self._number(fileid))

    def _delete(self):
        if not self.path:
            raise Failure(403, "Forbidden", "Permission denied to delete home folder")
        place = self._found()
        self._preconditions()
        with self._locked():
            if os.path.isdir(place):
                shutil.rmtree(place)
            else:
                os.unlink(place)
            self.database.run(
                "DELETE FROM oc_filecache WHERE uid = %s AND (path = %s OR starts_with(path, %s))",
                self.owner,
                self.path,
                f"{self.path}/",
            )
            self.note(self.path.rpartition("/")[0])
        return web.empty(204)

    def _propfind(self):
        wanted = None
        if self.request.body:
            root = parsed(self.request.body)
            wanted = [short(element.tag) for prop in root if short(prop.tag) == "d:prop" for element in prop]
        place = self._found()
        paths = [self.path]
        depth = self.request.header("depth", "infinity")
        if depth != "0" and os.path.isdir(place) and self.login.uid == self.owner:
            for folder, folders, names in os.walk(place):
                inside = os.path.relpath(folder, self.root)
                start = "" if inside == "." else f"/{inside}"
                paths += [f"{start}/{name}" for name in [*folders, *names]]
                if depth == "1":
                    break
            paths[1:] = sorted(paths[1:], key=lambda path: self.row(path)[0])
        return multistatus("".join(self._response(path, wanted) for path in paths))

    def _response(self, path, wanted):
        values = self._properties(path)
        good = [name for name in (wanted or _DEFAULT) if name in values]
        bad = [name for name in wanted or () if name not in values]
        slash = "/" if os.path.isdir(self.real(path)) else ""
        href = urllib.parse.quote(f"/remote.php/dav/files/{self.owner}{path}{slash}")
        text = f"<d:response><d:href>{href}</d:href>"
        if good:
            shown = "".join(
                f"<{name}>{values[name]}</{name}>" if values[name] else f"<{name}/>" for name in good
            )
            text += f"<d:propstat><d:prop>{shown}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>"
        if bad:
            shown = "".join(f"<{name}/>" for name in bad)
            status = "HTTP/1.1 404 Not Found"
            text += f"<d:propstat><d:prop>{shown}</d:prop><d:status>{status}</d:status></d:propstat>"
        return text + "</d:response>"

    def _properties(self, path):
        place = self.real(path)
        if self.login.uid != self.owner:
            return {"d:resourcetype": "<d:collection/>"}
        folder = os.path.isdir(place)
        fileid, tag, checksum = self.row(path)
        size = _size(place)
        storage = self.people.storage(self.owner)
        values = {
            "d:getlastmodified": email.utils.formatdate(os.path.getmtime(place), usegmt=True),
            "d:resourcetype": "<d:collection/>" if folder else "",
            "d:getetag": f"&quot;{tag}&quot;",
            "oc:fileid": str(fileid),
            "oc:id": self._number(fileid),
            "oc:permissions": "RGDNVCK" if folder else "RGDNVW",
            "oc:size": str(size),
            "oc:owner-id": self.owner,
            "nc:has-preview": "false",
        }
        if folder:
            values["d:quota-used-bytes"] = str(size)
            values["d:quota-available-bytes"] = str(storage["free"])
        else:
            values["d:getcontentlength"] = str(size)
            values["d:getcontenttype"] = mimetypes.guess_type(place)[0] or "application/octet-stream"
            if checksum:
                values["oc:checksums"] = f"<oc:checksum>{xml.sax.saxutils.escape(checksum)}</oc:checksum>"
        return values


def _size(place):
    if not os.path.isdir(place):
        return os.path.getsize(place)
    return sum(
        os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(place) for name in names
    )


def answer(installation, request, login):
    """The answer to an authenticated DAV request."""
    match = re.fullmatch(r"/remote\.php/dav/files/([^/]+)(/.*)?", request.path)
    if match:
        return Files(installation, request, login, match.group(1), match.group(2) or "").answer()
    if request.path == "/remote.php/dav/" and request.method == "PROPFIND" and request.header("depth") == "0":
        return multistatus(
            "<d:response><d:href>/remote.php/dav/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/>"
            "</d:resourcetype></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        )
    name = request.path.rstrip("/").rpartition("/")[2]
    return error(Failure(404, "NotFound", f"File not found: {name} in 'root'")).with_header("DAV", FEATURES)

"""DAV's XML: errors, answers for several resources, request bodies, and the rules for names."""

import xml.etree.ElementTree
import xml.sax.saxutils

from salt_itstack.lab.doubles.nextcloud import web

FEATURES = (
    "1, 3, extended-mkcol, access-control, calendarserver-principal-property-search, nc-paginate,"
    " nextcloud-checksum-update, nc-calendar-search, nc-enable-birthday-calendar"
)
_SABRE = "Sabre\\DAV\\Exception\\"
_SPACES = {"DAV:": "d", "http://owncloud.org/ns": "oc", "http://nextcloud.org/ns": "nc"}


class Failure(Exception):
    """A DAV error: HTTP status, exception class, message, and extra elements or headers."""

    def __init__(self, status, kind, message, extra="", headers=()):
        super().__init__(message)
        self.status = status
        self.kind = kind if "\\" in kind or kind.startswith("Invalid") else _SABRE + kind
        self.extra = extra
        self.headers = headers


def error(failure):
    """The XML answer for a :class:`Failure`."""
    message = (
        f"<s:message>{xml.sax.saxutils.escape(str(failure))}</s:message>" if str(failure) else "<s:message/>"
    )
    owncloud = ' xmlns:o="http://owncloud.org/ns"' if "<o:" in failure.extra else ""
    text = (
        f'<?xml version="1.0" encoding="utf-8"?>\n<d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns"{owncloud}>\n'
        f"  <s:exception>{failure.kind}</s:exception>\n  {message}\n{failure.extra}</d:error>\n"
    )
    return web.Answer(
        failure.status, text.encode(), [("Content-Type", "application/xml; charset=utf-8"), *failure.headers]
    )


def multistatus(responses):
    """The answer that holds ``responses`` (XML text)."""
    text = (
        '<?xml version="1.0"?>\n<d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns"'
        ' xmlns:oc="http://owncloud.org/ns" xmlns:nc="http://nextcloud.org/ns">'
        f"{responses}</d:multistatus>\n"
    )
    return web.Answer(
        207, text.encode(), [("Content-Type", "application/xml; charset=utf-8"), ("DAV", FEATURES)]
    )


def check_name(name, path):
    """The server's rules for names of new files and folders."""
    if name == ".htaccess":
        raise Failure(500, "OCP\\Files\\ForbiddenException", f"Invalid path: files{path}")
    problem = ""
    if "\\" in name:
        problem = '"\\" is not allowed inside a file or folder name.'
    elif len(name.encode()) > 250:
        problem = "Filename is too long"
    if problem:
        extra = (
            f'  <o:retry xmlns:o="o:">false</o:retry>\n  <o:reason'
            f' xmlns:o="o:">{xml.sax.saxutils.escape(problem)}'
            "</o:reason>\n"
        )
        raise Failure(400, "OCA\\DAV\\Connector\\Sabre\\Exception\\InvalidPath", problem, extra)


def parsed(body):
    """The root element of a request body. Raises :class:`Failure`."""
    try:
        return xml.etree.ElementTree.fromstring(body)
    except xml.etree.ElementTree.ParseError as failure:
        raise Failure(400, "BadRequest", f"the XML body can't be read: {failure}")


def clark(tag):
    """An element's name as error messages show it."""
    return tag if tag.startswith("{") else "{}" + tag


def short(tag):
    """A property's name with the prefix that answers use."""
    space, _, name = tag.lstrip("{").rpartition("}")
    return f"{_SPACES.get(space, 'x')}:{name}"

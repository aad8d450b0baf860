"""A double of Nextcloud 35 with the app user_oidc: occ, ``status.php``, OCS, files over DAV, the OIDC login.

It keeps its configuration by occ's commands and acts on it. The system configuration lies in
``<root>/config/config.php`` in PHP's syntax; accounts, groups, app configuration, tokens and OIDC providers
lie in the real PostgreSQL database that it is installed on; the distributed cache and the file locks in the
real Redis. Commands, options and requests that are not offered are answered like unknown ones. What it
answers is held to records of a real server by ``tests/live/test_nextcloud_double.py``.

Parts: ``occ`` (the command line), ``server`` (the web server), ``installation`` (a root folder and what it
depends on). Passwords are never written to the output except where the real server prints them (app
passwords, and the values that ``config:system:set`` echoes).
"""

import os
import shutil
import sys

SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def install(root, python=None, ca_bundle=SYSTEM_BUNDLE):
    """Lay out the double's folder, as unpacking a release archive would.

    root: folder (str) to make. python: interpreter (path) for ``<root>/occ``, default the running one.
    ca_bundle: file that stands for the bundle that a release archive ships; None ships certifi's public
    list, as the real server does, which then trusts an own authority only by
    ``default_certificates_bundle_path`` or
    ``occ security:certificates:import``.
    Returns the path of the executable ``occ``. Nothing is installed until ``occ maintenance:install``. The
    caller gives the folder to the user who runs occ and the web server. Calling it again changes nothing but
    ``occ``.
    """
    from salt_itstack.lab.doubles.nextcloud.installation import VERSION, VERSION_STRING

    os.makedirs(os.path.join(root, "config"), exist_ok=True)
    os.makedirs(os.path.join(root, "resources", "config"), exist_ok=True)
    numbers = ",".join(VERSION.split("."))
    with open(os.path.join(root, "version.php"), "w", encoding="utf-8") as file:
        file.write(
            f"<?php\n$OC_Version = array({numbers});\n$OC_VersionString = '{VERSION_STRING}';\n$vendor ="
            f" 'nextcloud';\n"
        )
    bundle = os.path.join(root, "resources", "config", "ca-bundle.crt")
    if not os.path.lexists(bundle):
        if ca_bundle is None:
            import certifi

            shutil.copyfile(certifi.where(), bundle)
        else:
            os.symlink(ca_bundle, bundle)
    occ = os.path.join(root, "occ")
    with open(occ, "w", encoding="utf-8") as file:
        file.write(
            f"#!{python or sys.executable}\n"
            "import os\nimport sys\n\n"
            f"sys.path.append({_source_folder()!r})\n\n"
            "from salt_itstack.lab.doubles.nextcloud.occ import main\n\n"
            "sys.exit(main(os.path.dirname(os.path.abspath(__file__)), sys.argv[1:]))\n"
        )
    os.chmod(occ, 0o755)
    return occ


def _source_folder():
    """The folder that holds the package, so that occ also runs from a source tree that isn't installed."""
    return os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))

"""One Dovecot: IMAP, POP3, LMTP, and the sign-in service that Postfix asks."""

import re
import subprocess
from pathlib import Path

from tests.harness import tokens
from tests.harness.layout import MAILBOXES, Layout, password, username
from tests.harness.ports import HOST
from tests.harness.programs import program

_COMMON = """\
base_dir = {dovecot}/run
state_dir = {dovecot}/state
log_path = {directory}/dovecot.log
listen = {host}
first_valid_uid = 1
recipient_delimiter = +
auth_mechanisms = plain login cram-md5 scram-sha-256 xoauth2 oauthbearer
auth_verbose = yes
auth_failure_delay = 0
mail_max_userip_connections = 0
ssl = yes

service auth {{
  unix_listener {sign_in_socket} {{
    mode = 0666
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
  # No growing delay for who fails to sign in: tests fail on purpose, and all from one address.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""

_VERSION_2_3 = """\
protocols = imap pop3 lmtp
disable_plaintext_auth = no
mail_location = maildir:{mailboxes}/%u
ssl_cert = <{certificate}
ssl_key = <{certificate}

passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {dovecot}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 scram-sha-256
  args = username_format=%u {dovecot}/passwords
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {dovecot}/passwords
}}
"""

_OAUTH2_2_3 = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={keys}/
username_attribute = sub
"""

# The language of 2.4 is another one, and it has to be named first.
_VERSION_2_4 = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {{
  imap = yes
  pop3 = yes
  lmtp = yes
}}
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = {mailboxes}/%{{user}}
ssl_server_cert_file = {certificate}
ssl_server_key_file = {certificate}

oauth2 {{
  introspection_mode = local
  username_attribute = sub
  oauth2_local_validation {{
    dict fs {{
      fs posix {{
        prefix = {keys}/
      }}
    }}
  }}
}}
passdb passwd-file {{
  passwd_file_path = {dovecot}/passwords
}}
userdb passwd-file {{
  passwd_file_path = {dovecot}/passwords
}}
"""


def write(layout: Layout, token_key: bytes) -> list[str]:
    """Writes the configuration and returns the command that runs the server in the foreground."""
    layout.dovecot.mkdir()
    keys = layout.dovecot / "keys"
    tokens.write_key(keys, token_key)
    (layout.dovecot / "oauth2.conf").write_text(_OAUTH2_2_3.format(keys=keys))
    template = _VERSION_2_3 + _COMMON if version() < (2, 4) else _VERSION_2_4 + _COMMON
    configuration = template.format(
        host=HOST,
        directory=layout.directory,
        dovecot=layout.dovecot,
        mailboxes=layout.mailboxes,
        certificate=layout.certificate,
        keys=keys,
        sign_in_socket=layout.sign_in_socket,
        imap=layout.ports.imap,
        imaps=layout.ports.imaps,
        pop3=layout.ports.pop3,
        pop3s=layout.ports.pop3s,
        lmtp=layout.ports.lmtp,
    )
    (layout.dovecot / "dovecot.conf").write_text(configuration)
    people = (
        f"{name}:{{PLAIN}}{password(number)}:{layout.mail_uid}:{layout.mail_gid}::{layout.mailboxes}/{name}::\n"
        for number, name in ((number, username(number)) for number in range(MAILBOXES))
    )
    (layout.dovecot / "passwords").write_text("".join(people))
    return [program("dovecot"), "-F", "-c", str(layout.dovecot / "dovecot.conf")]


def missing_parts() -> list[str]:
    """Debian packages, one for each protocol; the programs lie where the package puts them."""
    if not program("dovecot"):
        return ["dovecot-imapd", "dovecot-pop3d", "dovecot-lmtpd"]
    # Without the directory this is no Debian package, and where its parts are is not known: starting will tell.
    programs = Path("/usr/lib/dovecot")
    wanted = ("imap", "pop3", "lmtp") if programs.is_dir() else ()
    return [f"dovecot-{name}d" for name in wanted if not (programs / name).exists()]


def version() -> tuple[int, int]:
    shown = subprocess.run([program("dovecot"), "--version"], check=True, capture_output=True, text=True).stdout
    found = re.match(r"(\d+)\.(\d+)", shown)
    assert found is not None, f"dovecot --version said {shown!r}"
    return int(found[1]), int(found[2])

"""One Postfix: an incoming port, submission and implicit TLS with sign-in by Dovecot, a small port and a bare port."""

import grp
import pwd
import subprocess
from pathlib import Path

from tests.harness.layout import DOMAIN, MAILBOXES, UTF8_DOMAINS, Layout, username
from tests.harness.ports import HOST
from tests.harness.programs import program

_MAIN = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
maillog_file = {directory}/postfix.log
maillog_file_prefixes = {directory}
myhostname = mail.{domain}
mydestination =
mynetworks =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = {host}
inet_protocols = ipv4
biff = no
smtputf8_enable = yes
recipient_delimiter = +
message_size_limit = {size_limit}
mailbox_size_limit = 0
virtual_mailbox_limit = 0

# Nothing leaves: mail for elsewhere, accepted from who signed in, is refused by Dovecot and comes back as a report.
default_transport = lmtp:inet:{host}:{lmtp}
virtual_mailbox_domains = {domain}, {utf8_domains}
virtual_mailbox_base = {directory}
virtual_mailbox_maps = texthash:{postfix}/mailboxes, inline:{{ {utf8_mailboxes} }}
virtual_uid_maps = static:{mail_uid}
virtual_gid_maps = static:{mail_gid}
virtual_minimum_uid = 1
transport_maps = inline:{{ {{ {domain} = lmtp:inet:{host}:{lmtp} }} }}

smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate}
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1
smtpd_sasl_type = dovecot
smtpd_sasl_path = {sign_in_socket}
smtpd_sasl_auth_enable = no
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
known_senders = inline:{{
    {{ refused@{domain} = 550 5.7.1 This sender may not send here }},
    {{ busy@{domain} = 451 4.7.1 This sender has to wait }} }}
smtpd_sender_restrictions = check_sender_access $known_senders
signed_in_senders = check_sender_access $known_senders, permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{
    {{ tempfail@{domain} = 450 4.2.1 Mailbox busy, try again later }} }}
# Every restriction answers the command it is about, as many providers do; by default all wait for RCPT.
smtpd_delay_reject = no
# Judged when the whole message is there: the answer to the final dot.
header_checks = regexp:{postfix}/header_checks

# A test that provokes errors or opens many sessions is no attack.
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_junk_command_limit = 10000
in_flow_delay = 0
"""

_HEADER_CHECKS = """\
/^X-Test-Content: refuse/ REJECT 5.7.1 This content is not wanted
/^X-Test-Content: defer/ REJECT 4.7.1 This content has to wait
"""

_SIGN_IN = "-o smtpd_sasl_auth_enable=yes -o smtpd_sender_restrictions=$signed_in_senders -o syslog_name=postfix/{name}"
_BARE = (
    "-o smtpd_discard_ehlo_keywords="
    "pipelining,size,vrfy,etrn,starttls,auth,enhancedstatuscodes,8bitmime,dsn,smtputf8,chunking"
)

_MASTER = """\
{host}:{smtp} inet n - n - 200 smtpd
{host}:{submission} inet n - n - 200 smtpd -o smtpd_tls_security_level=encrypt {submission_options}
{host}:{smtps} inet n - n - 200 smtpd -o smtpd_tls_wrappermode=yes {smtps_options}
{host}:{small} inet n - n - 200 smtpd -o message_size_limit={small_size_limit} -o syslog_name=postfix/small
{host}:{bare} inet n - n - 200 smtpd {bare_options} -o syslog_name=postfix/bare
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

# The directories of a queue and who owns them, as `postfix check` would make them.
_OF_THE_QUEUE_MANAGER = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold"),
    *("incoming", "private", "saved", "trace"),
)


def write(layout: Layout) -> list[str]:
    """Writes the configuration and returns the command that runs the server in the foreground."""
    layout.postfix.mkdir()
    queue, data = layout.directory / "queue", layout.directory / "postfix-data"
    utf8_mailboxes = ", ".join(f"{{ @{domain} = {layout.maildir.name}/ }}" for domain in UTF8_DOMAINS)
    main = _MAIN.format(
        host=HOST,
        domain=DOMAIN,
        directory=layout.directory,
        postfix=layout.postfix,
        queue=queue,
        data=data,
        certificate=layout.certificate,
        sign_in_socket=layout.sign_in_socket,
        lmtp=layout.ports.lmtp,
        size_limit=layout.size_limit,
        utf8_domains=", ".join(UTF8_DOMAINS),
        utf8_mailboxes=utf8_mailboxes,
        mail_uid=layout.mail_uid,
        mail_gid=layout.mail_gid,
    )
    master = _MASTER.format(
        host=HOST,
        smtp=layout.ports.smtp,
        submission=layout.ports.submission,
        smtps=layout.ports.smtps,
        small=layout.ports.small,
        bare=layout.ports.bare,
        small_size_limit=layout.small_size_limit,
        submission_options=_SIGN_IN.format(name="submission"),
        smtps_options=_SIGN_IN.format(name="smtps"),
        bare_options=_BARE,
    )
    (layout.postfix / "main.cf").write_text(main, encoding="utf-8")
    (layout.postfix / "master.cf").write_text(master, encoding="utf-8")
    (layout.postfix / "header_checks").write_text(_HEADER_CHECKS)
    mailboxes = "".join(f"{username(number)} {number}\n" for number in range(MAILBOXES))
    (layout.postfix / "mailboxes").write_text(mailboxes)

    defaults = _defaults()
    owner = pwd.getpwnam(defaults["mail_owner"])
    drop = grp.getgrnam(defaults["setgid_group"])
    layout.make.append((str(queue), 0, 0, 0o755))
    layout.make.append((str(queue / "pid"), 0, 0, 0o755))
    layout.make.append((str(queue / "public"), owner.pw_uid, drop.gr_gid, 0o710))
    layout.make.append((str(data), owner.pw_uid, owner.pw_gid, 0o700))
    layout.make.extend((str(queue / name), owner.pw_uid, 0, 0o700) for name in _OF_THE_QUEUE_MANAGER)
    return [str(Path(defaults["daemon_directory"]) / "master"), "-c", str(layout.postfix), "-d"]


def missing_parts() -> list[str]:
    return [] if program("postconf") else ["postfix"]


def _defaults() -> dict[str, str]:
    """Of the package, not of the machine's own Postfix: its main.cf is no business of ours."""
    names = ("daemon_directory", "mail_owner", "setgid_group")
    command = [program("postconf"), "-dh", *names]
    values = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(zip(names, values, strict=True))

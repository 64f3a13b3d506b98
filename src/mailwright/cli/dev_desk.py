"""The running development server and whoever sits in front of it: mails come in, typed words go out as answers."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from mailwright.cli.dev_view import Show, print_html, print_json, print_raw, print_summary, print_text, show, to_json
from mailwright.cli.output import console, errors, safe
from mailwright.devserver import Caught, DevServer, DevServerOptions, Extension
from mailwright.errors import InvalidSetting

_FAREWELL_SECONDS = 1.0
_HELP = """\
  3          shows mail 3: headers and text
  3 html     its HTML
  3 raw      everything, as it came
  list       the mails that are kept
  help       this
  quit       ends the server (so does Ctrl-C)"""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks of the desk, as opposed to the server."""

    show: Show = Show.SUMMARY
    as_json: bool = False
    #: where mails are written as files
    save: Path | None = None
    #: ends after so many mails; None: when somebody ends it
    count: int | None = None
    #: where the certificate authority is written
    ca_file: Path | None = None
    #: how the failures were written, for the banner
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Typed:
    words: str


@dataclass(frozen=True, slots=True)
class _Notice:
    text: str


class _End:
    pass


class Desk:
    def __init__(self, options: DevServerOptions, wishes: Wishes) -> None:
        self._wishes = wishes
        self._happens: asyncio.Queue[Caught | _Typed | _Notice | _End] = asyncio.Queue()
        self._server = DevServer(
            options,
            on_caught=self._happens.put_nowait,
            on_notice=lambda text: self._happens.put_nowait(_Notice(text)),
        )
        self._listens_to_keyboard = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._happens.put_nowait, _End())
        try:
            if self._wishes.save is not None:
                _prepare(self._wishes.save)
            async with self._server:
                self._write_ca()
                self._open_keyboard()
                self._print_beginning()
                await self._serve()
        finally:
            self._close_keyboard()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def _serve(self) -> None:
        while True:
            match await self._happens.get():
                case Caught() as mail:
                    self._receive(mail)
                    if mail.number == self._wishes.count:
                        # Its sender has yet to read that it was caught, and to say QUIT.
                        await self._server.wait_for_quiet(seconds=_FAREWELL_SECONDS)
                        return
                case _Typed(words="quit" | "q" | "exit"):
                    return
                case _Typed(words=words):
                    self._obey(words)
                case _Notice(text=text):
                    errors.print(f"[yellow]{safe(text)}[/yellow]", emoji=False)
                case _End():
                    return

    # ── mails ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _receive(self, mail: Caught) -> None:
        saved = self._save(mail, self._wishes.save) if self._wishes.save is not None else ""
        if self._wishes.as_json:
            print_json({**to_json(mail), "saved": saved})
        else:
            show(mail, self._wishes.show)

    def _save(self, mail: Caught, folder: Path) -> str:
        # The time keeps mails of different runs apart, the number those of the same second.
        path = folder / f"{mail.received:%Y%m%d-%H%M%S}-{mail.number:04}.eml"
        try:
            path.write_bytes(mail.raw)
        except OSError as error:
            errors.print(f"[bold red]cannot write {safe(str(path))}: {safe(error.strerror or '')}[/bold red]")
            return ""
        return str(path)

    # ── the keyboard ───────────────────────────────────────────────────────────────────────────────────────────

    def _open_keyboard(self) -> None:
        if self._wishes.as_json or not sys.stdin.isatty():
            return
        # Started with "&" this process may not read the terminal: an error is better than being stopped.
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._read_keyboard)
        self._listens_to_keyboard = True

    def _close_keyboard(self) -> None:
        if self._listens_to_keyboard:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._listens_to_keyboard = False

    def _read_keyboard(self) -> None:
        try:
            typed = os.read(sys.stdin.fileno(), 4096)
        except OSError:
            self._close_keyboard()
            return
        if not typed:
            # Ctrl-D.
            self._close_keyboard()
            self._happens.put_nowait(_End())
        for line in typed.decode(errors="replace").splitlines():
            if line.strip():
                self._happens.put_nowait(_Typed(" ".join(line.lower().split())))

    def _obey(self, words: str) -> None:
        first, _, rest = words.partition(" ")
        prints = {"": print_text, "text": print_text, "html": print_html, "raw": print_raw}.get(rest)
        if words in ("help", "?"):
            console.print(_HELP)
        elif words in ("list", "ls"):
            for mail in self._server.mails:
                print_summary(mail)
            console.print(f"  {self._count()}")
        elif prints is None or not (first.isascii() and first.isdigit()):
            console.print(f"  {safe(repr(words))} is not understood; help lists what is", emoji=False)
        else:
            found = self._server.mail(int(first[:9]))
            if found is None:
                console.print(f"  there is no mail {first[:9]}; list shows those that are kept")
            else:
                prints(found)

    # ── beginning and end ──────────────────────────────────────────────────────────────────────────────────────

    def _write_ca(self) -> None:
        path = self._wishes.ca_file
        if path is None:
            return
        try:
            path.write_text(self._server.ca_pem, "ascii")
        except OSError as error:
            raise InvalidSetting(f"cannot write {str(path)!r}: {error.strerror}", field="ca_file") from None

    def _print_beginning(self) -> None:
        server = self._server
        if self._wishes.as_json:
            print_json(
                {
                    "event": "listening",
                    "host": server.host,
                    "port": server.port,
                    "tls_port": server.tls_port,
                    "fingerprint": server.fingerprint,
                }
            )
            return
        policy = server.options.policy
        host = f"[{server.host}]" if ":" in server.host else server.host
        address = safe(f"{host}:{server.port}")
        starttls = Extension.STARTTLS in policy.extensions
        console.print("[bold]Mailwright development server[/bold]: catches every mail, delivers none.\n")
        console.print(f"  SMTP       [bold]{address}[/bold]  no encryption{', or STARTTLS' if starttls else ''}")
        if server.tls_port is not None:
            console.print(f"  with TLS   [bold]{safe(f'{host}:{server.tls_port}')}[/bold]  from the first byte")
        console.print(f"  sign-in    {self._sign_in()}")
        if self._wishes.ca_file is not None:
            console.print(f"  trust      {safe(str(self._wishes.ca_file))}  (certificate authority, new at each start)")
        for failure in self._wishes.failures:
            console.print(f"  fails      {safe(failure)}", emoji=False)
        console.print(
            f"  try        mailwright send --server {address} --security none --from you@example.com "
            "--to ann@example.org --subject Hello --text Hello"
        )
        keyboard = "Type the number of a mail to read it, or help. " if self._listens_to_keyboard else ""
        console.print(f"\n{keyboard}Ctrl-C ends.\n")

    def _sign_in(self) -> str:
        policy = self._server.options.policy
        if Extension.AUTH not in policy.extensions:
            return "not offered"
        needed = "needed" if policy.require_sign_in else "not needed"
        users = policy.users
        if users.anybody:
            return f"{needed}; any user name and password is taken"
        names = ", ".join(dict.fromkeys([*users.passwords, *users.tokens]))
        return f"{needed}; users: {safe(names)}"

    def _count(self) -> str:
        kept = len(self._server.mails)
        return f"{kept} mail{'' if kept == 1 else 's'}"


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSetting(f"cannot make {str(folder)!r}: {error.strerror}", field="save") from None

"""A mail server for tests: smtpd.py FOLDER CERTIFICATE KEY LOGIN PASSWORD

It keeps each mail in FOLDER/mail and takes none without TLS and the login. Its ports, by STARTTLS and by TLS from the
beginning, are in FOLDER/ports once it takes connections. Recipients are treated as their names say: refused, later, silent
(it never answers), slow (it takes the mail after a second).
"""
import asyncio
import os
import ssl
import sys
import uuid

from aiosmtpd.smtp import SMTP, AuthResult

folder, certificate, key, login, password = sys.argv[1:]
os.makedirs(os.path.join(folder, "mail"), exist_ok=True)


def whole(path, content):
    """Puts a file into its place in one step."""
    with open(path + ".part", "wb") as file:
        file.write(content)
    os.rename(path + ".part", path)


def judge(server, session, envelope, mechanism, given):
    right = getattr(given, "login", None) == login.encode() and getattr(given, "password", None) == password.encode()
    return AuthResult(success=right, handled=False)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "refused":
            return "550 5.1.1 there is nobody of that name"
        if name == "later":
            return "451 4.3.0 try again later"
        if name == "silent":
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        if any(to.startswith("slow@") for to in envelope.rcpt_tos):
            await asyncio.sleep(1)
        whole(os.path.join(folder, "mail", str(uuid.uuid4()) + ".eml"), envelope.original_content)
        return "250 2.0.0 kept"


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()

    def started():
        return SMTP(Handler(), hostname="mail.example", loop=loop, tls_context=context, require_starttls=True, authenticator=judge, auth_required=True)

    def secure():
        return SMTP(Handler(), hostname="mail.example", loop=loop, authenticator=judge, auth_required=True, auth_require_tls=False)

    servers = [await loop.create_server(started, "127.0.0.1", 0), await loop.create_server(secure, "127.0.0.1", 0, ssl=context)]
    ports = " ".join(str(server.sockets[0].getsockname()[1]) for server in servers)
    whole(os.path.join(folder, "ports"), ports.encode())
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())

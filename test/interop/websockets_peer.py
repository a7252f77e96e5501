"""Python's websockets as a client or as an app; websockets.test.ts starts it and judges what it prints, one JSON object a line."""

import asyncio
import hashlib
import http
import json
import os
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

LARGE_BYTES = 8 * 1024 * 1024
LIMIT_SECONDS = 30


def say(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def pieces(data, size):
    return [data[at : at + size] for at in range(0, len(data), size)]


async def client(uri):
    """Talks with an app that echoes, and that closes with the code it is told in "close CODE REASON"."""
    options = {"max_size": None, "additional_headers": {"ws-user-id": "alice"}}
    async with connect(uri, subprotocols=["v2.chat", "v1.chat"], ping_interval=0.1, **options) as socket:
        names = [extension.name for extension in socket.protocol.extensions]
        say("open", subprotocol=socket.subprotocol, extensions=names)
        await socket.send("héllo 🐠")
        say("text", same=await socket.recv() == "héllo 🐠")
        data = os.urandom(LARGE_BYTES)
        await socket.send(data)
        say("binary", sent=digest(data), received=digest(await socket.recv()))
        await socket.send(pieces(data, 1_000_003))
        say("fragments", sent=digest(data), received=digest(await socket.recv()))
        await socket.send("fragments, please")
        received = [piece async for piece in socket.recv_streaming()]
        say("streaming", pieces=len(received), text="".join(received))
        pong = await socket.ping("an own payload")
        await pong
        say("pong")
        # The app says so when it has seen enough of the keepalive.
        await socket.send("wait for pings")
        say("keepalive", answer=await socket.recv(), latency=socket.latency)
        await socket.close(4000, "bye from Python")
    for what in ("close 4001 tschüß", "close 1000 ", "terminate"):
        async with connect(uri, **options) as socket:
            await socket.send(what)
            try:
                await socket.recv()
            except ConnectionClosed as end:
                received = end.rcvd and {"code": end.rcvd.code, "reason": end.rcvd.reason}
                say("closed", what=what, received=received)
    try:
        await connect(uri + "refuse", **options)
    except InvalidStatus as refusal:
        response = refusal.response
        say("refused", status=response.status_code, body=response.body.decode())


async def app():
    """Echoes, refuses /refuse, closes when it is told to, and says how its connections have ended."""

    def check(connection, request):
        if request.path.startswith("/refuse"):
            return connection.respond(http.HTTPStatus.FORBIDDEN, "not from Python\n")
        say("handshake", path=request.path, user=request.headers.get("ws-user-id"))

    async def serve_one(socket):
        try:
            async for message in socket:
                if message == "close":
                    await socket.close(4002, "genug")
                elif message == "fragments":
                    await socket.send(pieces(data, 1_000_003))
                else:
                    await socket.send(message)
        except ConnectionClosed:
            pass
        say("closed", code=socket.close_code, reason=socket.close_reason)

    data = os.urandom(LARGE_BYTES)
    options = {"max_size": None, "subprotocols": ["v2.chat"], "ping_interval": 0.1, "ping_timeout": 20}
    async with serve(serve_one, "127.0.0.1", 0, process_request=check, **options) as server:
        say("listening", port=server.sockets[0].getsockname()[1], digest=digest(data))
        # Whoever started this ends it by closing its input.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def main():
    async with asyncio.timeout(LIMIT_SECONDS):
        await (client(sys.argv[2]) if sys.argv[1] == "client" else app())


asyncio.run(main())

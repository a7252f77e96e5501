import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Answer, ask, startTcp } from '../../../helpers/plain.ts'
import { startStack } from '../../../helpers/stack.ts'
import { waitFor } from '../../../helpers/wait.ts'

// An app that sends more than its answer. What is too much must reach no other request, whoever's it is.

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret'

interface Seen {
  readonly socket: Socket
  readonly user: string
}

/**
 * An app that answers `GET /` with the user's name, and anything else as told.
 *
 * @param odd answer of any other path
 * @param late what the app still sends on a connection, when the next request has come on it
 */
async function start(t: Test, odd: string, late = '') {
  const seen: Seen[] = []
  const pending = new WeakMap<Socket, string>()
  const app = await startTcp(t, (socket, chunk) => {
    const text = chunk.toString('latin1')
    const user = /^ws-user-id: (.*)$/im.exec(text)?.[1] ?? 'nobody'
    seen.push({ socket, user })
    socket.write(pending.get(socket) ?? '', 'latin1')
    pending.delete(socket)
    if (/^GET \/ /.test(text)) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${user.length}\r\n\r\n${user}`)
    else {
      socket.write(odd, 'latin1')
      pending.set(socket, late)
    }
  })
  const { balancer } = await startStack(t, [app])
  const as = (user: string, path = '/', method = 'GET'): Promise<Answer> =>
    ask(balancer.port, { path, method, headers: user === '' ? {} : { 'ws-user-id': user } })
  return { seen, as }
}

for (const [what, method, odd] of [
  ['HEAD answered with a body', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n'],
  ['204 with late bytes', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['304 with late bytes', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 45\r\n\r\n'],
] as const) {
  t.test(`${what}: nobody gets them, the same user neither`, async t => {
    const { seen, as } = await start(t, odd, POISON)
    await as('alice', '/odd', method)
    for (const user of ['bob', 'alice', 'carol']) t.match(await as(user), { status: 200, body: user })
    const [first] = seen
    t.equal(seen.filter(({ socket }) => socket === first?.socket).length, 1, 'its connection has served one request')
  })
}

t.test('surplus bytes behind a whole answer end the connection, whether they come with it or later', async t => {
  for (const surplus of ['x', POISON, 'HTTP/1.1 103 Early Hints\r\n\r\n']) {
    const { seen, as } = await start(t, `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${surplus}`)
    t.match(await as('alice', '/odd'), { status: 200, body: 'ok' })
    for (const user of ['bob', 'alice']) t.match(await as(user), { status: 200, body: user }, surplus)

    const late = await start(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    t.match(await late.as('alice', '/odd'), { status: 200, body: 'ok' })
    const socket = late.seen[0]?.socket
    socket?.write(surplus)
    // Bob's answer comes after the sidecar has seen the surplus, and long before an idle connection ends by itself.
    for (const user of ['bob', 'alice']) t.match(await late.as(user), { status: 200, body: user }, surplus)
    t.not(late.seen.at(-1)?.socket, socket, 'a connection that has sent surplus bytes serves nobody')
    await waitFor(() => socket?.destroyed === true || socket?.readableEnded === true, 'the idle connection is ended')
    t.equal(seen.length, 3)
  }
})

t.test('a kept connection serves one user, and clients without one by their own connection', async t => {
  const { seen, as } = await start(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  for (const user of ['alice', 'bob', 'alice', 'bob', '', '', 'connection 1'])
    t.equal((await as(user)).body, user || 'nobody')
  const users = new Map<Socket, Set<string>>()
  for (const { socket, user } of seen) users.set(socket, (users.get(socket) ?? new Set()).add(user))
  for (const names of users.values()) t.equal(names.size, 1)
  t.equal(users.size, 4, 'one for each user that has a name, one for the connection of those that have none')
})

t.test('bytes of an answer that are late even for the next request reach nobody else', async t => {
  // The answer is whole, and the rest comes when the connection is used again: only its own user can have it.
  const { as } = await start(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', POISON)
  await as('alice', '/odd')
  for (const user of ['bob', 'carol']) t.match(await as(user), { status: 200, body: user })
})

for (const [what, odd, status] of [
  [
    'a length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    502,
  ],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 50\r\n\r\nok', 502],
  ['another protocol', `HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\n\r\n${POISON}`, 502],
  ['answers of 1xx without an end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100), 502],
] as const) {
  t.test(`${what} instead of an answer: ${status}, and nobody else notices`, async t => {
    const { as } = await start(t, odd, POISON)
    t.match(await as('alice', '/odd'), { status, body: /WSO_ERR_UPSTREAM_FAILED/ })
    for (const user of ['bob', 'alice']) t.match(await as(user), { status: 200, body: user })
  })
}

t.test('an answer before the request’s body has come: the connection serves nobody else', async t => {
  const { seen, as } = await start(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', POISON)
  t.match(await as('alice', '/odd', 'POST'), { status: 200 })
  for (const user of ['bob', 'alice']) t.match(await as(user), { status: 200, body: user })
  t.equal(new Set(seen.map(({ socket }) => socket)).size, 3)
})

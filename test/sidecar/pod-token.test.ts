import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { encodeControlPing, formatSecret } from '../../lib/rehome/control-pings.ts'
import { CONTROL_HEADER, MEMBER_HEADER } from '../../lib/service/names.ts'
import { startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { membersFile, type Running, startSidecar } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

/** A sidecar with a token, and a server that is none and keeps what it is shown. */
async function start(t: Test, env: Record<string, string> = {}) {
  const app = await startApp(t, { onConnection: () => {} })
  const members = await membersFile()
  const sidecar = await startSidecar(t, app.port, members, { TOKEN: 's3cret', RECIPIENT_WAIT_MS: 0, ...env })
  await members.set(sidecar.name)
  await waitFor(async () => (await sidecar.metric('members')) === 1, 'the sidecar knows itself')
  const shown: (string | undefined)[] = []
  const stranger = createServer((request, response) => {
    shown.push(request.headers.authorization)
    response.writeHead(404).end()
  })
  stranger.on('upgrade', (request, socket) => {
    shown.push(request.headers.authorization)
    socket.destroy()
  })
  stranger.listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  t.teardown(() => stranger.close())
  const name = `127.0.0.1:${(stranger.address() as AddressInfo).port}`
  const outcomes = async () => {
    let count = 0
    for (const outcome of ['delivered', 'offline', 'no_owner', 'timeout', 'rejected'])
      count += await sidecar.metric('messages_routed_total', { outcome })
    return count
  }
  const send = async () => {
    const before = await outcomes()
    const eve = await connect(t, sidecar.port, { user: 'eve' })
    eve.send(JSON.stringify({ recipientId: 'mallory' }))
    await waitFor(async () => (await outcomes()) > before, 'the message has its outcome')
  }
  return { sidecar, members, shown, name, send }
}

/** A client that says what only a balancer says: it is served by this member now. */
async function move(t: Test, sidecar: Running, member: string): Promise<void> {
  const secret = randomBytes(16)
  const headers = { [CONTROL_HEADER]: formatSecret(secret) }
  const mallory = await connect(t, sidecar.port, { user: 'mallory', headers })
  mallory.socket.ping(encodeControlPing(secret, { type: 'move', member }))
  await waitFor(async () => (await sidecar.metric('user_locations_claimed')) === 1, 'it is remembered')
}

for (const TRANSPORT of ['link', 'http']) {
  t.test(`${TRANSPORT}: where a client says that it was moved to is dialled only once it is a member`, async t => {
    const { sidecar, members, shown, name, send } = await start(t, { TRANSPORT })
    await move(t, sidecar, name)
    await send()
    t.strictSame(shown, [])
    await members.set(sidecar.name, name)
    await waitFor(async () => (await sidecar.metric('members')) === 2, 'it is a member')
    await send()
    t.equal(shown[0], 'Bearer s3cret', 'what was said before the list knew of it has not been forgotten')
  })

  t.test(`${TRANSPORT}: nor is who announces users without a token, while none has to be shown`, async t => {
    const { sidecar, shown, name, send } = await start(t, { TRANSPORT, TOKEN_REQUIRED: 'false' })
    const announce = async (headers: Record<string, string>) => {
      const url = `http://${sidecar.name}/message`
      const answer = await fetch(url, {
        method: 'PUT',
        headers: { [MEMBER_HEADER]: name, ...headers },
        body: 'mallory',
      })
      t.equal(answer.status, 204)
    }
    await announce({})
    await send()
    t.strictSame(shown, [])
    await announce({ authorization: 'Bearer s3cret' })
    await send()
    t.equal(shown[0], 'Bearer s3cret', 'who knows the token may see it')
  })
}

t.test('what is not known to be a member is not passed on to other sidecars either', async t => {
  const { sidecar, members, name } = await start(t)
  await move(t, sidecar, name)
  const ask = async () => {
    const headers = { 'ws-user-id': 'mallory', authorization: 'Bearer s3cret' }
    const url = `http://${sidecar.name}/message`
    const answer = await fetch(url, { method: 'POST', headers, body: '\u0001x' })
    return [answer.status, answer.headers.get('x-ws-operator-moved-to')]
  }
  t.strictSame(await ask(), [421, null], 'they were here a moment ago')
  await members.set(sidecar.name, name)
  await waitFor(async () => (await sidecar.metric('members')) === 2, 'it is a member')
  t.strictSame(await ask(), [421, name])
})

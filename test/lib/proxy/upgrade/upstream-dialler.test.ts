import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t from 'tap'
import type { Plan } from '../../../../lib/proxy/plan.ts'
import { UpstreamDialler } from '../../../../lib/proxy/upgrade/upstream-dialler.ts'
import { ERROR_HEADER } from '../../../../lib/service/names.ts'
import type { Scope } from '../../../helpers/stack.ts'
import { freePort } from '../../../sidecar/pod.ts'

const LIMITS = { handshakeTimeoutMs: 20_000, maxQueueBytes: 65_536, maxHeadBytes: 16_384 }
const HANDSHAKE = Buffer.from('GET / HTTP/1.1\r\n\r\n')
const ACCEPTED = 'HTTP/1.1 101 Switching Protocols\r\n\r\n'
const REFUSED = `HTTP/1.1 503 Service Unavailable\r\n${ERROR_HEADER}: WSO_ERR_DRAINING\r\n\r\n`

const planTo = (port: number): Plan<string> => ({
  host: '127.0.0.1',
  port,
  drop: new Set(),
  set: {},
  answer: {},
  context: `${port}`,
})

const fakeClient = () => Object.assign(new EventEmitter(), { destroyed: false }) as unknown as Socket

/** An upstream that gives one answer to each connection, or none. */
async function upstream(t: Scope, answer?: string) {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    if (answer) socket.once('data', () => socket.write(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, server, sockets }
}

t.test('the first upstream that accepts is reached, past one that is not there and one that refuses', async t => {
  const [refusing, accepting] = [await upstream(t, REFUSED), await upstream(t, ACCEPTED)]
  const next = [refusing.port, accepting.port]
  const codes: string[] = []
  const dialler = new UpstreamDialler<string>(LIMITS, (_plan, code) => {
    codes.push(code)
    const port = next.shift()
    return port === undefined ? undefined : planTo(port)
  })
  const { plan, answered } = await dialler.reach(planTo(await freePort()), HANDSHAKE, fakeClient())
  t.equal(plan.port, accepting.port)
  t.equal(answered.head.status, 101)
  t.strictSame(codes, ['WSO_ERR_UPSTREAM_UNREACHABLE', 'WSO_ERR_DRAINING'])
  t.equal(dialler.size, 0)
  answered.socket.destroy()
})

t.test('a refusal is the answer where there is no other place', async t => {
  const { port } = await upstream(t, REFUSED)
  const dialler = new UpstreamDialler<string>(LIMITS, () => undefined)
  const { answered } = await dialler.reach(planTo(port), HANDSHAKE, fakeClient())
  t.equal(answered.head.status, 503)
  answered.socket.destroy()
})

t.test('a client that leaves ends the dialling, and nothing else is dialled for it', async t => {
  const { port, server } = await upstream(t)
  let passedOver = 0
  const dialler = new UpstreamDialler<string>(LIMITS, plan => {
    passedOver++
    return plan
  })
  const client = fakeClient()
  const connected = once(server, 'connection')
  const reached = dialler.reach(planTo(port), HANDSHAKE, client)
  await connected
  t.equal(dialler.size, 1)
  Object.assign(client, { destroyed: true })
  client.emit('close')
  await t.rejects(reached, { code: 'WSO_ERR_CLIENT_GONE' })
  t.equal(passedOver, 0)
  t.equal(client.listenerCount('close'), 0)
})

t.test('a stop ends every dialling', async t => {
  const { port, server } = await upstream(t)
  const dialler = new UpstreamDialler<string>(LIMITS, plan => plan)
  const connected = once(server, 'connection')
  const reached = dialler.reach(planTo(port), HANDSHAKE, fakeClient())
  await connected
  dialler.stop()
  await t.rejects(reached, { code: 'WSO_ERR_DRAINING' })
  t.equal(dialler.size, 0)
})

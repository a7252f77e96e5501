import { once } from 'node:events'
import { request } from 'node:http'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type App, startApp } from '../helpers/app.ts'
import { type Client, connect } from '../helpers/client.ts'
import { type Running, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

const SEED = Number(process.env['SEED'] ?? 20_261_130)
const USERS = ['ann', 'bob', 'cyd', 'dan', 'eve', 'fay']

/** What is taken for this while clients are there, and must be given back with them. */
const OF_CLIENTS = ['queues', 'held', 'messages'] as const
const OF_PROCESS = [...OF_CLIENTS, 'connections'] as const

type Step =
  | { readonly does: 'join'; readonly user: string }
  | { readonly does: 'send'; readonly from: number; readonly to: string; readonly bytes: number }
  | { readonly does: 'begin' | 'stall' | 'leave' | 'cut'; readonly from: number }
  | { readonly does: 'post'; readonly bytes: number }
  | { readonly does: 'members'; readonly all: boolean }

const from = fc.nat(20)
const user = fc.constantFrom(...USERS, 'nobody')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant('join' as const), user: fc.constantFrom(...USERS) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant('send' as const),
      from,
      to: user,
      bytes: fc.integer({ min: 1, max: 60_000 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constantFrom('begin', 'stall', 'leave', 'cut' as const), from }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('post' as const), bytes: fc.integer({ min: 1, max: 200_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('members' as const), all: fc.boolean() }) },
)

/** Passes what is written on to the recipient's sockets of this pod, and answers some of it. */
const startChat = (t: Test): Promise<App> =>
  startApp(t, {
    onConnection(socket, { headers }, app) {
      const named = Object.assign(socket, { user: headers['ws-user-id'] })
      socket.on('message', (data: Buffer) => {
        const { recipientId } = JSON.parse(data.toString()) as { recipientId: string }
        for (const other of app.server.clients)
          if ((other as typeof named).user === recipientId) other.send(data.toString())
        if (data.length % 2 === 0) socket.send('{"taken":true}')
      })
    },
  })

async function post(port: number, bytes: number): Promise<void> {
  const outgoing = request({ port, host: '127.0.0.1', method: 'POST', agent: false })
  outgoing.on('error', () => {})
  outgoing.end(Buffer.alloc(bytes, 'p'))
  const [answer] = await once(outgoing, 'response')
  answer.resume()
  await once(answer, 'close')
}

const taken = (program: Running, kind: string) => program.metric('memory_used_bytes', { kind })

async function holdsNothing(program: Running, kinds: readonly string[]): Promise<boolean> {
  const bytes = await Promise.all(kinds.map(kind => taken(program, kind)))
  return bytes.every(each => each === 0)
}

for (const [TRANSPORT, DELIVER] of [
  ['link', 'sender'],
  ['http', 'client'],
] as const) {
  t.test(`${TRANSPORT}, ${DELIVER}: whatever happens, all that is taken is given back (seed ${SEED})`, async t => {
    const steps = fc.sample(step, { seed: SEED, numRuns: 250 })
    const apps = [await startChat(t), await startChat(t)]
    for (const { http } of apps) http.on('request', (request, response) => request.pipe(response))
    const sidecar = { TRANSPORT, DELIVER, SENDER_IDLE_SECONDS: 1, MAX_QUEUE_BYTES: 65_536, RECIPIENT_WAIT_MS: 200 }
    const { sidecars, balancer, members } = await startStack(t, apps, { sidecar })
    const programs = [...sidecars, balancer]
    const clients: Client[] = []
    const posts: Promise<void>[] = []
    let most = 0
    for (const action of steps) {
      if (action.does === 'join') clients.push(await connect(t, balancer.port, { user: action.user }))
      else if (action.does === 'post') posts.push(post(balancer.port, action.bytes).catch(() => {}))
      else if (action.does === 'members')
        await members.set(...sidecars.slice(0, action.all ? 2 : 1).map(({ name }) => name))
      else {
        const at = action.from % Math.max(1, clients.length)
        const client = clients[at]
        if (!client) continue
        if (action.does === 'send')
          client.send(JSON.stringify({ recipientId: action.to, filling: 'x'.repeat(action.bytes) }))
        else if (action.does === 'begin')
          client.socket.send('{"recipientId":"bob"', { fin: false }, () => client.socket.terminate())
        else if (action.does === 'stall') client.socket.pause()
        else if (action.does === 'cut') client.socket.terminate()
        else client.socket.close()
        if (action.does !== 'send' && action.does !== 'stall') clients.splice(at, 1)
      }
      for (const program of sidecars) most = Math.max(most, await taken(program, 'messages'))
    }
    await members.set(...sidecars.map(({ name }) => name))
    for (const { socket } of clients) socket.terminate()
    await Promise.all(posts)
    t.ok(most > 0, `messages took ${most} bytes`)
    for (const program of programs) {
      await waitFor(() => holdsNothing(program, OF_CLIENTS), `${program.name} holds nothing for clients`, 20_000)
      await program.service.app.close()
      await waitFor(() => holdsNothing(program, OF_PROCESS), `${program.name} has given back all`)
    }
    t.pass('nothing is held')
  })
}

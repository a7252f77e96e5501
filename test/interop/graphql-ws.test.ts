import { GraphQLBoolean, GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import { type Client, CloseCode, createClient, handleProtocols } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import t from 'tap'
import { WebSocket } from 'ws'
import { type App, startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { type Scope, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { LARGE_BYTES } from './support.ts'

// https://github.com/enisdenjo/graphql-ws, sub-protocol graphql-transport-ws.

/** The server drops whoever has not answered within that time, so a busy machine must make it. */
const KEEPALIVE_MS = 300

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      hello: {
        type: GraphQLString,
        args: { recipientId: { type: GraphQLString } },
        resolve: (_source, { recipientId }: { recipientId?: string }) => `hello ${recipientId ?? 'world'}`,
      },
      large: { type: GraphQLString, resolve: () => 'ü'.repeat(LARGE_BYTES / 2) },
      fails: {
        type: GraphQLBoolean,
        resolve: () => {
          throw new Error('it fails')
        },
      },
    },
  }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      countdown: {
        type: GraphQLInt,
        args: { from: { type: GraphQLInt } },
        subscribe: async function* (_source: unknown, { from }: { from: number }) {
          for (let n = from; n >= 0; n--) yield { countdown: n }
        },
      },
      forever: {
        type: GraphQLInt,
        subscribe: async function* (_source: unknown, _args: unknown, { stopped }: Stoppable) {
          try {
            for (let n = 0; ; n++) {
              yield { forever: n }
              await new Promise(resolve => setImmediate(resolve))
            }
          } finally {
            stopped.count++
          }
        },
      },
    },
  }),
})

interface Stoppable {
  stopped: { count: number }
}

async function startGraphql(
  t: Scope,
  keepAlive = 0,
): Promise<{ app: App; url: string; port: number; stopped: { count: number } }> {
  const stopped = { count: 0 }
  const app = await startApp(t, { options: { handleProtocols }, onConnection: () => {} })
  const serving = useServer(
    {
      schema,
      context: { stopped },
      onConnect: ({ connectionParams }) => connectionParams?.['token'] !== 'wrong',
    },
    app.server,
    keepAlive,
  )
  t.teardown(() => serving.dispose())
  const { balancer } = await startStack(t, [app])
  return { app, url: `ws://127.0.0.1:${balancer.port}/graphql?user=alice`, port: balancer.port, stopped }
}

function graphqlClient(t: Scope, url: string, options: Partial<Parameters<typeof createClient>[0]> = {}): Client {
  const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0, lazy: true, ...options })
  t.teardown(() => client.dispose())
  return client
}

async function all(client: Client, query: string, variables: Record<string, unknown> = {}): Promise<unknown[]> {
  const results: unknown[] = []
  for await (const result of client.iterate({ query, variables })) results.push(result)
  return results
}

t.test('queries, subscriptions and errors', async t => {
  const { app, url } = await startGraphql(t)
  const client = graphqlClient(t, url)
  t.strictSame(await all(client, '{ hello }'), [{ data: { hello: 'hello world' } }])
  t.equal(app.handshakes[0]?.headers['sec-websocket-protocol'], 'graphql-transport-ws')
  t.equal(app.handshakes[0]?.url, '/graphql?user=alice')
  const [counted, other] = await Promise.all([
    all(client, 'subscription($n: Int) { countdown(from: $n) }', { n: 500 }),
    all(client, 'subscription { countdown(from: 2) }'),
  ])
  t.equal(counted.length, 501, 'two subscriptions at once')
  t.strictSame(counted.at(-1), { data: { countdown: 0 } })
  t.equal(other.length, 3)
  t.match(await all(client, '{ fails }'), [{ errors: [{ message: 'it fails' }] }])
  await t.rejects(all(client, '{ nothing }'), 'what does not validate')
})

t.test('a recipientId that is not at the top of a message is data of the app', async t => {
  const { app, url } = await startGraphql(t)
  const client = graphqlClient(t, url)
  const query = 'query($recipientId: String) { hello(recipientId: $recipientId) }'
  t.strictSame(await all(client, query, { recipientId: 'bob' }), [{ data: { hello: 'hello bob' } }])
  t.match(app.received.map(({ data }) => data.toString()).join(), '"recipientId":"bob"')
})

t.test('an answer of 8 MiB of text', async t => {
  const { url } = await startGraphql(t)
  const [result] = (await all(graphqlClient(t, url), '{ large }')) as [{ data: { large: string } }]
  t.equal(Buffer.byteLength(result.data.large), LARGE_BYTES)
  t.ok(result.data.large === 'ü'.repeat(LARGE_BYTES / 2), 'each character of it')
})

t.test('a subscription that the client leaves is ended at the app, without the connection', async t => {
  const { app, url, stopped } = await startGraphql(t)
  const client = graphqlClient(t, url, { lazy: false, onNonLazyError: error => t.fail(String(error)) })
  let seen = 0
  for await (const _result of client.iterate({ query: 'subscription { forever }' })) if (++seen === 10) break
  await waitFor(() => stopped.count === 1, 'the generator has ended')
  t.equal(app.server.clients.size, 1)
  t.strictSame(await all(client, '{ hello }'), [{ data: { hello: 'hello world' } }], 'the connection is still good')
  t.equal(app.handshakes.length, 1)
})

t.test('both keepalives: pings of the protocol, and messages of the library', async t => {
  const { app, url } = await startGraphql(t, KEEPALIVE_MS)
  let pongs = 0
  let answers = 0
  const client = graphqlClient(t, url, {
    lazy: false,
    keepAlive: KEEPALIVE_MS,
    onNonLazyError: error => t.fail(String(error)),
    on: { pong: received => void (received && answers++) },
  })
  await waitFor(() => app.server.clients.size === 1, 'connected')
  for (const socket of app.server.clients) socket.on('pong', () => pongs++)
  await waitFor(() => pongs >= 3 && answers >= 3, 'several of each')
  t.equal(app.server.clients.size, 1, 'the server, which drops whoever misses a pong, has kept it')
  await client.dispose()
  await waitFor(() => app.server.clients.size === 0, 'it has left')
})

t.test('close codes of the protocol reach the client', async t => {
  const { url, port } = await startGraphql(t)
  const closed = new Promise<unknown>(resolve => {
    const client = graphqlClient(t, url, { connectionParams: { token: 'wrong' }, on: { closed: resolve } })
    all(client, '{ hello }').catch(() => {})
  })
  t.match(await closed, { code: CloseCode.Forbidden, reason: 'Forbidden', wasClean: true })

  const hasty = await connect(t, port, { user: 'alice', protocols: ['graphql-transport-ws'] })
  hasty.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ hello }' } }))
  t.strictSame(await hasty.closed, { code: CloseCode.Unauthorized, reason: 'Unauthorized' })

  const nonsense = await connect(t, port, { user: 'alice', protocols: ['graphql-transport-ws'] })
  nonsense.send('{"type":"nonsense"}')
  t.strictSame(await nonsense.closed, { code: CloseCode.BadRequest, reason: 'Invalid message received' })
})

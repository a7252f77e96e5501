import { once } from 'node:events'
import t from 'tap'
import { PipeEvents, SocketEvents } from '../../../lib/bridge/bridge-events.ts'
import type { OptionsOf } from '../../../lib/bridge/bridge-options.ts'
import { Ending } from '../../../lib/bridge/ending.ts'
import { Fence } from '../../../lib/bridge/handover/fence.ts'
import { encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import type { Scope } from '../../helpers/stack.ts'
import { startParts } from './parts.ts'

/** The parts of a bridge that is named `bridge`, with the events that its owner asked for. */
async function start(t: Scope, hooks: Partial<OptionsOf<string>> = {}) {
  const parts = await startParts(t)
  const ending = new Ending('bridge', hooks, parts)
  const fence = new Fence(parts.pipes, parts.life)
  const events = new PipeEvents<string>('bridge', hooks as OptionsOf<string>)
  events.connect({ ...parts, ending, fence })
  return { ...parts, ending, fence, events, sockets: new SocketEvents(parts.traffic, ending) }
}

t.test('what a socket sends goes through the pipe of its side', async t => {
  const { sockets, app, client } = await start(t)
  const [inbound, outbound] = [
    encodeFrame(OPCODE.TEXT, Buffer.from('a'), 1),
    encodeFrame(OPCODE.TEXT, Buffer.from('b')),
  ]
  sockets.receive('client', inbound)
  sockets.receive('upstream', outbound)
  t.strictSame(await app.gets(inbound.length), inbound)
  t.strictSame(await client.gets(outbound.length), outbound)
})

t.test('a socket that has drained lets the other side be read again', async t => {
  const { sockets, flow } = await start(t)
  flow.fill('client')
  sockets.drained('upstream')
  t.notOk(flow.stops('client'))
})

t.test('the end of a socket, and its loss, end the connection', async t => {
  const { sockets, life, app, client } = await start(t)
  const seen = once(app.peer, 'end')
  sockets.ended('client')
  await seen
  client.ours.destroy()
  sockets.gone('client')
  t.equal(life.end?.cause, 'client')
})

t.test('the owner learns of addressed, unparsed and control messages, with bridge and direction', async t => {
  const told: unknown[] = []
  const { events, pipes } = await start(t, {
    takes: (...args) => told.push(args) > 0,
    onAddressed: (...args) => void told.push(args),
    onUnparsed: (...args) => void told.push(args),
    onControl: (...args) => void told.push(args),
  })
  const message = { data: Buffer.from('hi'), binary: false }
  t.ok(events.takes(pipes.client, 'bob'))
  events.onAddressed(pipes.client, 'bob', message)
  events.onUnparsed(pipes.upstream, 'too_deep')
  events.onControl(pipes.upstream, Buffer.from('ping'))
  t.strictSame(told, [
    ['bridge', 'inbound', 'bob'],
    ['bridge', 'inbound', 'bob', message],
    ['bridge', 'outbound', 'too_deep'],
    ['bridge', Buffer.from('ping')],
  ])
})

t.test('an owner that asked for nothing takes no message', async t => {
  const { events, pipes } = await start(t)
  t.notOk(events.takes(pipes.client, 'bob'))
  t.doesNotThrow(() => events.onControl(pipes.client, Buffer.alloc(0)))
})

t.test('only a pong of the upstream that serves the client answers a fence', async t => {
  const { events, fence, pipes } = await start(t)
  const asked = fence.ask(60_000, Buffer.from('ping'))
  events.onPong(pipes.client)
  t.ok(fence.isWaiting)
  events.onPong(pipes.upstream)
  t.equal(await asked, true)
})

t.test('a pipe that has stopped is no longer read, and whoever waits for that goes on', async t => {
  const { events, life, pipes, app } = await start(t)
  app.ours.resume()
  const waiting = life.until(() => pipes.upstream.stopped, 60_000)
  pipes.upstream.stop()
  events.onStopped(pipes.upstream)
  await waiting
  t.ok(app.ours.isPaused())
})

t.test('a message without room closes both sides with 1013, one that is too big with 1009', async t => {
  for (const [event, cause, code] of [
    ['onNoRoom', 'no_room', 1013],
    ['onTooBig', 'too_big', 1009],
  ] as const) {
    const { events, life, pipes } = await start(t)
    events[event](pipes.client)
    t.match(life.end, { cause, code })
  }
})

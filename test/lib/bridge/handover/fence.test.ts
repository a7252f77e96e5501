import t from 'tap'
import { Fence } from '../../../../lib/bridge/handover/fence.ts'
import { encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'
import type { Scope } from '../../../helpers/stack.ts'
import { type Connection, connect, startApp, startChain, until } from '../chain.ts'
import { passingListener, startParts } from '../parts.ts'
import { decode } from '../pipe/decode.ts'

t.test('a pong of the client says nothing of what the upstream has read', async t => {
  const a = await startApp(t, 'a', { autoPong: false })
  const chain = await startChain(t, a, false, { CLIENT_PING_SECONDS: '1', CLIENT_IDLE_SECONDS: '60' })
  const { socket, received } = await connect(t, chain.url)
  const { bridge } = chain.connections[0] as Connection
  let over: boolean | undefined
  void bridge.fence(20_000).then(result => {
    over = result
  })
  let pings = 0
  socket.on('ping', () => pings++)
  // Its pong has come through when the app has what the client has sent after it.
  await until(() => pings > 0)
  socket.send('x')
  await until(() => received.length === 1)
  t.equal(over, undefined, 'the fence stands')
  for (const upstream of a.sockets) upstream.pong(Buffer.from(a.pings[0] as string, 'latin1'))
  await until(() => over === true)
})

/** A fence before an upstream that answers what the test lets it answer. */
async function start(t: Scope) {
  const parts = await startParts(t)
  const fence = new Fence(parts.pipes, parts.life)
  parts.pipes.upstream.listener = { ...passingListener(), onPong: () => fence.onPong() }
  return {
    ...parts,
    fence,
    pong: (text: string) => parts.pipes.upstream.push(encodeFrame(OPCODE.PONG, Buffer.from(text))),
  }
}

t.test('the upstream’s own pong to the ping, and no other, is the answer', async t => {
  const { fence, app, client, pong } = await start(t)
  const asked = fence.ask(60_000, Buffer.from('ask!'))
  t.ok(fence.isWaiting)
  t.strictSame((await decode(await app.gets(10), 'inbound')).controls, ['ping ask!'])
  pong('else')
  t.ok(fence.isWaiting)
  pong('ask!')
  t.equal(await asked, true)
  t.notOk(fence.isWaiting)
  await client.gets(6)
  t.strictSame((await decode(client.received(), 'outbound')).controls, ['pong else'], 'the other one passes')
})

t.test('without an answer it ends after its time, and the next one may be asked', async t => {
  const { fence, pong } = await start(t)
  t.equal(await fence.ask(1, Buffer.from('one!')), false)
  const asked = fence.ask(60_000, Buffer.from('two!'))
  pong('two!')
  t.equal(await asked, true)
})

t.test('one is asked at a time: the next waits for the one before', async t => {
  const { fence, app, pong } = await start(t)
  const first = fence.ask(60_000, Buffer.from('one!'))
  const second = fence.ask(60_000, Buffer.from('two!'))
  t.equal(await fence.ask(1, Buffer.from('no!!')), false, 'one whose time is up is not sent')
  pong('one!')
  t.equal(await first, true)
  await app.gets(20)
  pong('two!')
  t.equal(await second, true)
  t.strictSame((await decode(app.received(), 'inbound')).controls, ['ping one!', 'ping two!'])
})

t.test('an upstream that is lost, or a connection that ends, ends the asking', async t => {
  for (const end of ['lost', 'ended']) {
    const { fence, life } = await start(t)
    const asked = fence.ask(60_000, Buffer.from('ask!'))
    if (end === 'lost') life.upstreamLost({ code: 1006, closed: false, ended: false, gone: false })
    else life.finish({ cause: 'client', code: 1000, reason: '' })
    life.wakeUp()
    t.equal(await asked, false)
    t.equal(await fence.ask(60_000, Buffer.from('more')), false, 'and nobody is asked again')
  }
})

import t from 'tap'
import { BridgePipes, FROM, OTHER, SIDES } from '../../../lib/bridge/bridge-pipes.ts'
import type { LingeringUpstream } from '../../../lib/bridge/handover/lingering-upstream.ts'
import { FirstMessage } from '../../../lib/websocket/first-message.ts'
import { encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import { socketPair } from '../../helpers/socket-pair.ts'
import type { Scope } from '../../helpers/stack.ts'
import { passingListener, sides } from './parts.ts'

const fromClient = encodeFrame(OPCODE.TEXT, Buffer.from('hello'), 7)
const fromApp = encodeFrame(OPCODE.TEXT, Buffer.from('hello'))

async function start(t: Scope) {
  const { client, app } = await sides(t)
  const first = new FirstMessage(100)
  const secrets: string[] = []
  const listener = {
    ...passingListener(),
    onControl: (_pipe: unknown, payload: Buffer) => void secrets.push(`${payload}`),
  }
  const extras = { first, secret: { upstream: Buffer.from('secret') } }
  const pipes = new BridgePipes(client.ours, app.ours, listener, { maxMessageBytes: 1000 }, extras)
  return { client, app, pipes, first, secrets }
}

t.test('each side has another one, and is the source of one direction', async t => {
  for (const side of SIDES) t.equal(OTHER[OTHER[side]], side)
  t.strictSame([FROM.inbound, FROM.outbound], ['client', 'upstream'])
})

t.test('the pipe of a side reads that side and writes to the other', async t => {
  const { client, app, pipes } = await start(t)
  t.strictSame([pipes.client.direction, pipes.upstream.direction], ['inbound', 'outbound'])
  pipes.client.push(fromClient)
  pipes.upstream.push(fromApp)
  t.strictSame(await app.gets(fromClient.length), fromClient)
  t.strictSame(await client.gets(fromApp.length), fromApp)
})

t.test('only the client’s first message is recorded, and only the upstream’s secret is known', async t => {
  const { pipes, first, secrets } = await start(t)
  pipes.upstream.push(encodeFrame(OPCODE.TEXT, Buffer.from('from the app')))
  pipes.client.push(encodeFrame(OPCODE.PING, Buffer.from('secret of the client'), 7))
  pipes.upstream.push(encodeFrame(OPCODE.PING, Buffer.from('secret of the app')))
  pipes.client.push(fromClient)
  t.equal(first.payload?.toString(), 'hello')
  t.strictSame(secrets, ['secret of the app'])
})

t.test('another upstream gets what the client sends from then on, under the same rules', async t => {
  const { client, app, pipes, secrets } = await start(t)
  const next = await socketPair(t)
  const old = pipes.upstream
  pipes.replaceUpstream(next.ours)
  t.not(pipes.upstream, old)
  pipes.client.push(fromClient)
  t.strictSame(await next.gets(fromClient.length), fromClient)
  pipes.upstream.push(encodeFrame(OPCODE.PING, Buffer.from('secret of the next')))
  pipes.upstream.push(fromApp)
  t.strictSame(await client.gets(fromApp.length), fromApp)
  t.strictSame(secrets, ['secret of the next'])
  t.equal(app.received().length, 0)
})

t.test('our own frames to the client go through the upstream that is in the middle of a message', async t => {
  const { pipes } = await start(t)
  t.equal(pipes.writerTo('client'), pipes.upstream)
  t.equal(pipes.writerTo('upstream'), pipes.client)
  const lingering = { writing: false, pipe: pipes.upstream }
  pipes.replaceUpstream((await socketPair(t)).ours)
  pipes.lingering = lingering as LingeringUpstream
  t.equal(pipes.writerTo('client'), pipes.upstream)
  lingering.writing = true
  t.equal(pipes.writerTo('client'), lingering.pipe)
  t.equal(pipes.writerTo('upstream'), pipes.client)
})

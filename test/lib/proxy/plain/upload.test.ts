import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Upload } from '../../../../lib/proxy/plain/upload.ts'
import { MemoryBudget } from '../../../../lib/service/memory/budget.ts'
import { startHttp, startTcp } from '../../../helpers/plain.ts'
import { waitFor } from '../../../helpers/wait.ts'

const MIB = 1 << 20

class Memory {
  queueLimit = 4 * MIB
  tight = false
  readonly isFull = false
  readonly queues = new MemoryBudget(1 << 30).accounts.queues
  readonly messages = this.queues
  bytes = 0

  passed(bytes: number): void {
    this.bytes += bytes
  }
}

interface Setting {
  readonly memory: Memory
  readonly upload: Upload
  readonly request: IncomingMessage
  readonly outgoing: ClientRequest
  readonly client: Socket
}

/** An upload of this many bytes to an upstream. */
async function start(t: Test, upstreamPort: number, bytes: number): Promise<Setting> {
  const memory = new Memory()
  const begun = Promise.withResolvers<Pick<Setting, 'upload' | 'request' | 'outgoing'>>()
  const server = await startHttp(t, (request, response) => {
    const headers = { 'content-length': request.headers['content-length'] }
    const outgoing = httpRequest({ port: upstreamPort, method: 'POST', agent: false, headers })
    outgoing.on('error', () => {}).on('response', incoming => incoming.pipe(response))
    response.on('close', () => outgoing.destroy())
    begun.resolve({ upload: new Upload(request, outgoing, memory, { add() {} }), request, outgoing })
  })
  const client = connect(server.port, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.on('error', () => {})
  client.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n`)
  client.write(Buffer.alloc(bytes, 'u'))
  return { memory, client, ...(await begun.promise) }
}

/** An upstream that reads, and says how much it got. */
const reader = (t: Test) =>
  startHttp(t, (request, response) => {
    let bytes = 0
    request.on('data', chunk => (bytes += chunk.length)).on('end', () => response.end(`got ${bytes}.`))
  })

async function answerOf({ client }: Setting): Promise<string> {
  let text = ''
  client.on('data', chunk => (text += chunk))
  await waitFor(() => /got \d+\./.test(text), 'an answer')
  return text
}

t.test('a body passes, is counted, and leaves nothing', async t => {
  const { port } = await reader(t)
  const setting = await start(t, port, 5 * MIB)
  t.match(await answerOf(setting), `got ${5 * MIB}.`)
  t.equal(setting.memory.bytes, 5 * MIB)
  t.equal(setting.memory.queues.bytes, 0)
  t.equal(setting.upload.heldBytes, 0)
})

t.test('in one turn of the event loop a client is read once', async t => {
  const { port } = await reader(t)
  const setting = await start(t, port, 4 * MIB)
  let chunks = 0
  let read = 0
  setting.request.on('data', (chunk: Buffer) => {
    // Node reads 64 KiB at a time, but the request may have buffered some.
    if (chunk.length < 32_768) return
    chunks++
    if (!setting.request.socket.isPaused()) read++
  })
  t.match(await answerOf(setting), `got ${4 * MIB}.`)
  t.ok(chunks > 0)
  t.equal(read, 0, 'it is not read again after a large chunk')
})

t.test('it stops while restrained, and goes on afterwards', async t => {
  const { port } = await reader(t)
  const setting = await start(t, port, 8 * MIB)
  const { memory, upload, request } = setting
  upload.restrain(Number.POSITIVE_INFINITY)
  // What was read in this turn, and what the request buffers.
  for (let turn = 0; turn < 20; turn++) await nextTurn()
  const before = { passed: memory.bytes, read: request.socket.bytesRead }
  for (let turn = 0; turn < 200; turn++) await nextTurn()
  t.strictSame({ passed: memory.bytes, read: request.socket.bytesRead }, before, 'nothing is read')
  t.ok(request.isPaused(), 'its pace is not its own')
  upload.restrain(0)
  t.match(await answerOf(setting), `got ${8 * MIB}.`)
  t.equal(memory.queues.bytes, 0)
})

t.test('a socket that Node is about to resume stops too', async t => {
  const { port } = await reader(t)
  const setting = await start(t, port, 32 * MIB)
  const { upload, request } = setting
  upload.restrain(Number.POSITIVE_INFINITY)
  for (let turn = 0; turn < 20; turn++) await nextTurn()
  for (let n = 0; n < 20; n++) {
    upload.restrain(0)
    upload.restrain(Number.POSITIVE_INFINITY)
    for (let turn = 0; turn < 5; turn++) await nextTurn()
  }
  t.ok(request.readableLength <= 4 * 65_536, `${request.readableLength} bytes wait`)
  upload.restrain(0)
  t.match(await answerOf(setting), `got ${32 * MIB}.`)
})

t.test('while memory is short no more passes than may be queued, until the kernel has been asked', async t => {
  const { port } = await reader(t)
  const setting = await start(t, port, 2 * MIB)
  const { memory, upload, request } = setting
  Object.assign(memory, { tight: true, queueLimit: MIB / 4 })
  await waitFor(() => request.isPaused(), 'it is stopped')
  t.ok(memory.bytes < MIB, `${memory.bytes} have passed`)
  const asks = setInterval(() => upload.restrain(0), 1)
  t.teardown(() => clearInterval(asks))
  t.match(await answerOf(setting), `got ${2 * MIB}.`)
})

t.test('what an upstream does not read counts, until it is gone', async t => {
  const upstream = await startTcp(t, socket => socket.removeAllListeners('data').pause())
  const { memory, upload, outgoing, client, request } = await start(t, upstream.port, 32 * MIB)
  await waitFor(() => outgoing.writableNeedDrain && request.isPaused(), 'it is full')
  t.ok(upload.heldBytes > 0)
  t.equal(memory.queues.bytes, upload.heldBytes)
  outgoing.destroy()
  await waitFor(() => outgoing.closed, 'it is gone')
  t.equal(upload.heldBytes, 0)
  t.equal(memory.queues.bytes, 0)
  t.notOk(client.destroyed, 'the client can be answered')
})

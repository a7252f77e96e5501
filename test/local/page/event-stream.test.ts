import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { EventStream } from '../../../local/page/event-stream.ts'
import { waitFor } from '../../helpers/wait.ts'

/** A server that adds each request to the stream, with these first events. */
async function start(t: Test, first: readonly (readonly [string, unknown])[] = []) {
  const stream = new EventStream()
  let added = 0
  let gone = 0
  const server = createServer((_, response) => {
    response.on('close', () => gone++)
    stream.add(response, first)
    added++
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    stream.close()
    server.close().closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  return { stream, port, url: `http://127.0.0.1:${port}`, added: () => added, gone: () => gone }
}

/** Reads until the text has come. */
function reader(response: Response) {
  const chunks = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const read = async (end: string) => {
    while (!text.includes(end)) {
      const { value, done } = await chunks.read()
      if (done) break
      text += value
    }
    return text
  }
  return { read, cancel: () => chunks.cancel() }
}

t.test('a browser gets the first events, then those that are sent, as events of their names', async t => {
  const { stream, url } = await start(t, [['state', { a: 1 }]])
  const response = await fetch(url)
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  t.equal(response.headers.get('cache-control'), 'no-store')
  const { read } = reader(response)
  t.equal(await read('1}\n\n'), 'event: state\ndata: {"a":1}\n\n')
  stream.send('line', 'two\nlines')
  t.match(await read('lines"\n\n'), 'event: line\ndata: "two\\nlines"\n\n', 'no line break ends the event')
})

t.test('each browser gets what is sent, and one that has left is forgotten', async t => {
  const { stream, url, gone } = await start(t, [['hi', 0]])
  const [one, other] = [reader(await fetch(url)), reader(await fetch(url))]
  await one.read('\n\n')
  await one.cancel()
  await waitFor(() => gone() === 1, 'the first one is gone')
  stream.send('still', 1)
  t.match(await other.read('1\n\n'), 'event: still')
})

t.test('a browser that does not read is disconnected', async t => {
  const { stream, port, added, gone } = await start(t)
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await waitFor(() => added() === 1, 'it is added')
  const text = 'x'.repeat(65_536)
  await waitFor(() => {
    stream.send('much', text)
    return gone() === 1
  }, 'it is disconnected')
})

t.test('closing ends what every browser gets', async t => {
  const { stream, url } = await start(t, [['hi', 0]])
  const { read } = reader(await fetch(url))
  await read('\n\n')
  stream.close()
  t.equal(await read('never'), 'event: hi\ndata: 0\n\n')
})

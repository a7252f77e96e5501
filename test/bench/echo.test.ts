import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { freePorts } from '../../bench/machine/child.ts'
import { waitFor } from '../helpers/wait.ts'

const PROGRAM = new URL('../../bench/echo.ts', import.meta.url).pathname

t.test('the app of the benchmark is a correct echo', async t => {
  const [port] = await freePorts(1)
  const child = spawn(process.execPath, [PROGRAM, String(port)], { stdio: ['ignore', 'inherit', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let socket: WebSocket | undefined
  await waitFor(async () => {
    const attempt = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
    const [event] = await Promise.race([
      once(attempt, 'open').then(() => ['open']),
      once(attempt, 'error').then(() => ['error']),
    ]).catch(() => ['error'])
    if (event === 'open') socket = attempt
    return event === 'open'
  }, 'it listens')
  const client = socket as WebSocket
  const received: { data: Buffer; binary: boolean }[] = []
  client.on('message', (data: Buffer, binary: boolean) => received.push({ data, binary }))

  // Every alignment of the next payload, every way of writing the length.
  const sent = [0, 1, 2, 3, 5, 125, 126, 127, 128, 4096, 4099, 65_535].map(size => randomBytes(size))
  for (const data of sent) client.send(data)
  client.send('text')
  client.send('frag', { fin: false })
  client.send('ment', { fin: true })
  await waitFor(() => received.length === sent.length + 2, 'everything comes back')
  t.same(
    received.slice(0, sent.length).map(({ data }) => data.toString('hex')),
    sent.map(data => data.toString('hex')),
  )
  t.same(
    received.slice(sent.length).map(({ data, binary }) => [String(data), binary]),
    [
      ['text', false],
      ['fragment', false],
    ],
  )
  const pong = once(client, 'pong')
  client.ping('hello')
  t.equal(String((await pong)[0]), 'hello')
  const closed = once(client, 'close')
  client.close(4001, 'bye')
  const [code, reason] = (await closed) as [number, Buffer]
  t.same([code, String(reason)], [4001, 'bye'])
})

import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { startBlackHole } from '../helpers/black-hole.ts'
import { connect } from '../helpers/client.ts'
import { membersFile, startSidecar } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

const MESSAGES = 1500

t.test(
  'of thousands of messages in one chunk only so many are taken as may be on their way; all get an outcome',
  async t => {
    const app = await startApp(t)
    const gone = `127.0.0.1:${await startBlackHole(t)}`
    const sidecar = await startSidecar(t, app.port, await membersFile(gone), {
      MAX_QUEUE_BYTES: 4096,
      RECIPIENT_WAIT_MS: 0,
    })
    const routed = () => sidecar.metric('messages_routed_total', { outcome: 'no_owner' })
    const held = () => sidecar.metric('memory_used_bytes', { kind: 'messages' })
    const ann = await connect(t, sidecar.port, { user: 'ann' })
    const { socket } = ann
    const raw = (socket as unknown as { _socket: { cork(): void; uncork(): void } })._socket
    // What the pod itself takes, to announce her.
    await waitFor(async () => (await held()) > 0, 'she is being announced')
    const before = await held()
    raw.cork()
    for (let n = 0; n < MESSAGES; n++) socket.send(`{"recipientId":"u${n}"}`)
    socket.send('{"to":"the app"}')
    raw.uncork()
    await waitFor(async () => (await held()) > before, 'the first are on their way')
    t.ok((await held()) - before < 16 * 1024, 'the rest waits as it came')
    t.equal(await routed(), 0)
    await waitFor(async () => (await routed()) === MESSAGES, 'each has an outcome', 30_000)
    await ann.received(1)
    t.strictSame(
      app.received.map(({ data }) => `${data}`),
      ['{"to":"the app"}'],
      'what came last passes last',
    )
  },
)

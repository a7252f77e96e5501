import t from 'tap'
import type { SendResult } from '../../../lib/bridge/bridge.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import { Receipts } from '../../../sidecar/send/receipts.ts'
import { startApp } from '../../helpers/app.ts'
import { connect } from '../../helpers/client.ts'
import { membersFile, startSidecar } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

t.test('with receipts a client is told what became of each message, with the id that it gave it', async t => {
  const app = await startApp(t, { onConnection: () => {} })
  const members = await membersFile()
  const sidecar = await startSidecar(t, app.port, members, {
    RECEIPTS: 'true',
    RECIPIENT_FIELD: 'to',
    ROUTE: 'both',
    RECIPIENT_WAIT_MS: 0,
  })
  const ann = await connect(t, sidecar.port, { user: 'ann' })
  await connect(t, sidecar.port, { user: 'bob' })
  const messages = [{ to: 'bob', id: 7 }, { to: 'bob', id: 'x-1' }, { to: 'bob', id: { odd: true } }, { to: 'nobody' }]
  for (const message of messages) ann.send(JSON.stringify(message))
  await ann.received(4)
  t.strictSame(
    ann.texts.map(text => JSON.parse(text)),
    [
      { type: 'ws-operator/receipt', to: 'nobody', outcome: 'no_owner' },
      { type: 'ws-operator/receipt', to: 'bob', outcome: 'delivered', id: 7 },
      { type: 'ws-operator/receipt', to: 'bob', outcome: 'delivered', id: 'x-1' },
      { type: 'ws-operator/receipt', to: 'bob', outcome: 'delivered' },
    ],
  )
  for (const socket of app.server.clients) socket.send(JSON.stringify({ to: 'nobody', id: 1 }))
  await waitFor(
    async () => (await sidecar.metric('messages_routed_total', { outcome: 'no_owner' })) === 3,
    'the app’s messages have their outcome',
  )
  t.equal(ann.messages.length, 4, 'an app gets no receipts')
})

t.test('without, nobody is told anything', async t => {
  const app = await startApp(t, { onConnection: () => {} })
  const sidecar = await startSidecar(t, app.port, await membersFile(), { RECIPIENT_WAIT_MS: 0 })
  const ann = await connect(t, sidecar.port, { user: 'ann' })
  ann.send(JSON.stringify({ recipientId: 'nobody' }))
  await waitFor(
    async () => (await sidecar.metric('messages_routed_total', { outcome: 'no_owner' })) === 1,
    'it has its outcome',
  )
  t.equal(ann.messages.length, 0)
})

t.test('a receipt that cannot be written is dropped and counted', async t => {
  const metrics = new Metrics()
  const receipts = new Receipts('recipientId', metrics)
  const message: Message = { data: Buffer.from('hi'), binary: false }
  for (const result of ['full', 'closed', 'sent'] as SendResult[])
    receipts.send({ send: async () => result }, 'bob', message, 'delivered')
  receipts.send({ send: () => Promise.reject(new Error('broken')) }, 'bob', message, 'delivered')
  await new Promise(setImmediate)
  const counter = await metrics.registry.getSingleMetric('ws_operator_receipts_dropped_total')?.get()
  t.equal(counter?.values[0]?.value, 3)
})

import t from 'tap'
import { createMember } from '../../../lib/routing/members.ts'
import { createHttpTransport } from '../../../sidecar/transport/http.ts'
import { startBlackHole } from '../../helpers/black-hole.ts'
import { waitFor } from '../../helpers/wait.ts'
import { conformance } from './conformance.ts'
import { identity, routed, startPeer, timeLimit } from './peer.ts'

conformance(t, createHttpTransport, 'timeout')

t.test('each message is a request of its own, on connections that are kept', async t => {
  const { member, requests, connections } = await startPeer(t)
  const transport = createHttpTransport(identity())
  t.teardown(() => transport.close())
  for (let n = 0; n < 3; n++) await transport.send(member, routed('x'), timeLimit())
  t.strictSame(requests, ['POST /message', 'POST /message', 'POST /message'])
  t.equal(await connections(), 1)
  t.notOk(transport.pipelines(member), 'several at a time could overtake each other')
})

t.test('a host that has vanished is given up before the time of the message is', async t => {
  const transport = createHttpTransport(identity(), 50)
  t.teardown(() => transport.close())
  const member = createMember('127.0.0.1', await startBlackHole(t))
  t.equal(await transport.send(member, routed('x'), timeLimit()), 'no_owner')
})

t.test('what waits for a connection when its time is up was not sent', async t => {
  const { member, arrivals } = await startPeer(t, { outcome: () => new Promise(() => {}) })
  const transport = createHttpTransport(identity())
  t.teardown(() => transport.close())
  const sent = Array.from({ length: 64 }, () => transport.send(member, routed('x'), timeLimit()))
  await waitFor(() => arrivals.length === 64, 'all connections are in use')
  t.equal(await transport.send(member, routed('more'), timeLimit(50)), 'no_owner')
  transport.close()
  t.strictSame(new Set(await Promise.all(sent)), new Set(['timeout']))
})

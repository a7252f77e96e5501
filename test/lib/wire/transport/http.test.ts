import t from 'tap'
import { createHttpTransport } from '../../../../lib/wire/transport/http.ts'
import { conformance } from './conformance.ts'
import { identity, letter, patience, startPeer } from './peer.ts'

conformance(t, createHttpTransport, 'timeout')

t.test('each message is a request of its own, on connections that are kept', async t => {
  const { member, requests, connections } = await startPeer(t)
  const transport = createHttpTransport(identity())
  t.teardown(() => transport.close())
  for (let n = 0; n < 3; n++) await transport.send(member, letter('x'), patience())
  t.strictSame(requests, ['POST /message', 'POST /message', 'POST /message'])
  t.equal(await connections(), 1)
  t.notOk(transport.pipelines(member), 'several at a time could overtake each other')
})

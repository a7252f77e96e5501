import t from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { ClientConnections } from '../../../sidecar/send/client-connections.ts'

const ID = '0'.repeat(32)

function start() {
  const events: string[] = []
  const connections = new ClientConnections(
    (_bridge, { id }) => void events.push(`end ${id}`),
    id => void events.push(`served ${id}`),
  )
  const add = (pending = false) => {
    const bridge = { state: 'open' } as Bridge
    connections.add(bridge, { id: ID, handshake: undefined }, pending)
    return bridge
  }
  return { connections, add, events }
}

t.test('a client that is here, then served elsewhere, then gone', async t => {
  const { connections, add, events } = start()
  const bridge = add()
  t.strictSame(connections.locate(ID), { bridge })
  connections.moved(bridge, 'b:1')
  t.strictSame(connections.locate(ID), { member: 'b:1' })
  t.equal(connections.serving(ID), undefined)
  connections.remove(bridge)
  t.strictSame(connections.locate(ID), { member: 'b:1' }, 'replies still learn where it is')
  t.strictSame(events, [`served ${ID}`], 'its shadows are the other pod’s to end')
})

t.test('one that was moved and has come back is nowhere when it has left', async t => {
  const { connections, add } = start()
  const first = add()
  connections.moved(first, 'b:1')
  connections.remove(first)
  const second = add(true)
  connections.taken(second)
  connections.remove(second)
  t.equal(connections.locate(ID), undefined)
})

t.test('one that stays after all ends as any other', async t => {
  const { connections, add, events } = start()
  const bridge = add()
  connections.moved(bridge, 'b:1')
  connections.stayed(bridge)
  t.strictSame(connections.locate(ID), { bridge })
  connections.remove(bridge)
  t.equal(connections.locate(ID), undefined)
  t.strictSame(events, [`served ${ID}`, `end ${ID}`])
})

t.test('one that arrives is served when it is taken; one that does not come has not left', async t => {
  const { connections, add, events } = start()
  const first = add(true)
  t.equal(connections.locate(ID), 'pending')
  connections.remove(first)
  const second = add(true)
  connections.taken(second)
  t.strictSame(connections.locate(ID), { bridge: second })
  t.strictSame(events, [`served ${ID}`])
})

t.test('a client that is moved within the pod: the older connection until it is said to be moved', async t => {
  const { connections, add, events } = start()
  const older = add()
  const newer = add(true)
  t.equal(connections.serving(ID), older)
  connections.moved(older, 'self:1')
  connections.taken(newer)
  t.equal(connections.serving(ID), newer)
  connections.remove(older)
  t.strictSame(connections.locate(ID), { bridge: newer })
  t.strictSame(events, [`served ${ID}`, `served ${ID}`])
})

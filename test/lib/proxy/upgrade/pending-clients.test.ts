import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { PendingClients } from '../../../../lib/proxy/upgrade/pending-clients.ts'

/** As much of a socket as is needed here. */
class FakeSocket extends EventEmitter {
  destroyed = false
  noDelay = false
  timeout = 1
  setNoDelay(on: boolean): void {
    this.noDelay = on
  }
  setTimeout(ms: number): void {
    this.timeout = ms
  }
  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

const fake = () => {
  const socket = new FakeSocket()
  return { socket, client: socket as unknown as Socket }
}

t.test('a reset of a client that waits does no harm', async t => {
  const pending = new PendingClients()
  const { socket, client } = fake()
  pending.add(client)
  t.equal(socket.emit('error', new Error('reset')), true)
  t.match(socket, { noDelay: true, timeout: 0 })
})

t.test('all that wait are destroyed at the end; those with a bridge and those that have gone are not', async t => {
  const pending = new PendingClients()
  const [waiting, joined, gone] = [fake(), fake(), fake()]
  for (const { client } of [waiting, joined, gone]) pending.add(client)
  pending.release(joined.client)
  gone.socket.emit('close')
  pending.destroyAll()
  t.strictSame(
    [waiting, joined, gone].map(({ socket }) => socket.destroyed),
    [true, false, false],
  )
})

t.test('a client that is given to its bridge has no listener of ours any more', async t => {
  const pending = new PendingClients()
  const { socket, client } = fake()
  pending.add(client)
  pending.release(client)
  t.strictSame(socket.eventNames(), [])
})

t.test('clients share their listeners', async t => {
  const pending = new PendingClients()
  const [one, other] = [fake(), fake()]
  pending.add(one.client)
  pending.add(other.client)
  t.equal(one.socket.listeners('close')[0], other.socket.listeners('close')[0])
})

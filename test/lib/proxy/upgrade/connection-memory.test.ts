import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { CONNECTION_BYTES, ConnectionMemory } from '../../../../lib/proxy/upgrade/connection-memory.ts'

function start() {
  const account = {
    bytes: 0,
    change(bytes: number) {
      account.bytes += bytes
    },
  }
  return { account, memory: new ConnectionMemory(account) }
}

const fakeSocket = (closed = false) => Object.assign(new EventEmitter(), { closed }) as unknown as Socket

t.test('a connection and its handshake are counted until it closes', async t => {
  const { account, memory } = start()
  const client = fakeSocket()
  memory.accepted(client)
  memory.keepHandshake(client, 500)
  t.equal(account.bytes, CONNECTION_BYTES + 500)
  client.emit('close')
  t.equal(account.bytes, 0)
})

t.test('a connection that is refused has no handshake to count', async t => {
  const { account, memory } = start()
  const client = fakeSocket()
  memory.accepted(client)
  client.emit('close')
  t.equal(account.bytes, 0)
})

t.test('a handshake whose client has closed already is not counted: nothing would take it off again', async t => {
  const { account, memory } = start()
  memory.keepHandshake(fakeSocket(true), 500)
  t.equal(account.bytes, 0)
})

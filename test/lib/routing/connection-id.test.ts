import t from 'tap'
import { CONNECTION_ID_BYTES, createConnectionId, isConnectionId } from '../../../lib/routing/connection-id.ts'

t.test('each id is another one, and one of the form that is read', t => {
  const ids = Array.from({ length: 1000 }, createConnectionId)
  t.equal(new Set(ids).size, 1000)
  t.ok(ids.every(isConnectionId))
  t.ok(ids.every(id => Buffer.from(id, 'hex').length === CONNECTION_ID_BYTES))
  t.end()
})

t.test('what is none', t => {
  const id = createConnectionId()
  for (const text of ['', id.slice(1), `${id}0`, `${id}\n`, id.replace(/.$/, 'g'), 'A'.repeat(32)])
    t.notOk(isConnectionId(text), text)
  t.end()
})

import t from 'tap'
import { SharedRoom } from '../../../lib/websocket/room.ts'

t.test('one message may have half of what all others leave, and what is given back can be taken again', async t => {
  const room = new SharedRoom(1000)
  t.equal(room.take(501, 0), false)
  t.equal(room.take(400, 0), true)
  t.equal(room.take(100, 400), true)
  t.equal(room.take(1, 500), false, 'with what it has')
  t.equal(room.take(250, 0), true, 'the next one has half of the rest')
  t.equal(room.take(1, 250), false)
  t.equal(room.bytes, 750)
  room.give(500)
  t.equal(room.take(125, 250), true)
  t.equal(room.bytes, 375)
})

import t from 'tap'
import type { LinkFrame } from '../../../../sidecar/transport/link/link-frames.ts'
import { OUTCOMES } from '../../../../sidecar/transport/outcome.ts'
import { BOOT, CONNECTION, delivery, encode } from './encode-frame.ts'

t.test('the bytes of docs/wire-format.md', async t => {
  const hex = (frame: LinkFrame) => encode(frame).toString('hex')
  t.equal(
    hex({ type: 'hello', windowBytes: 262_144, maxMessageBytes: 16_777_216, boot: BOOT }),
    `000004000001000000${BOOT.toString('hex')}`,
  )
  t.equal(hex(delivery(7, 'hi', { deliver: 'client', start: true })), '01060000000700000102000300000002626f626869')
  t.equal(
    hex(delivery(7, 'hi', { deliveredTo: ['AAAAAAAAAAAAAAAAAAAAAA=='] })),
    `01100000000700000102001c00000002${Buffer.from('bob\0AAAAAAAAAAAAAAAAAAAAAA==hi').toString('hex')}`,
  )
  for (const [flag, more] of [
    [1, { message: { data: Buffer.alloc(0), binary: true } }],
    [2, { deliver: 'client' }],
    [4, { start: true }],
    [8, { repeated: true }],
    [16, { deliveredTo: [] }],
    [32, { deliver: 'sender', origin: { id: CONNECTION, handshake: undefined } }],
    [96, { deliver: 'sender', origin: { id: CONNECTION, handshake: Buffer.from('GET') } }],
    [128, { deliver: 'reply' }],
  ] as const)
    t.equal(encode(delivery(1, '', more))[1], flag, JSON.stringify(more))
  const origin = { id: CONNECTION, handshake: Buffer.from('GET') }
  t.equal(
    hex(delivery(7, 'hi', { deliver: 'sender', origin: { ...origin, handshake: undefined } })),
    `01200000000700000102000300000002626f62${CONNECTION}6869`,
  )
  t.equal(
    hex(delivery(7, 'hi', { deliver: 'sender', origin })),
    `01600000000700000102000300000002626f62${CONNECTION}00034745546869`,
  )
  t.equal(hex({ type: 'introduce', id: 7 }), '0700000007')
  t.equal(hex({ type: 'end', connection: CONNECTION }), `08${CONNECTION}`)
  t.equal(hex({ type: 'here', id: 8, users: Buffer.from('ann\nbob') }), '040000000800000007616e6e0a626f62')
  t.equal(hex({ type: 'moved', id: 7, member: 'a:1' }), '05000000070003613a31')
  t.equal(hex({ type: 'moved', id: 7, member: undefined }), '05000000070000')
  t.equal(hex({ type: 'bye', count: 3 }), '0600000003')
  t.equal(hex({ type: 'bye', count: 2 ** 32 + 3 }), '0600000003', 'counted on modulo 2³²')
  t.equal(hex({ type: 'outcome', id: 7, outcome: 'slow_consumer' }), '020500000007')
  t.equal(hex({ type: 'window', bytes: 17 }), '0300000011')
  t.strictSame(
    OUTCOMES.map(outcome => encode({ type: 'outcome', id: 0, outcome })[1]),
    [0, 1, 2, 3, 4, 5, 6],
  )
  t.strictSame(
    [...OUTCOMES],
    ['delivered', 'offline', 'no_owner', 'timeout', 'too_large', 'slow_consumer', 'rejected'],
    'their numbers are on the wire: new ones come last',
  )
})

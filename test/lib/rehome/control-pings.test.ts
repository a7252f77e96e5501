import fc from 'fast-check'
import t from 'tap'
import {
  type ControlPing,
  controlSecret,
  decodeControlPing,
  encodeControlPing,
  formatSecret,
  parseSecret,
} from '../../../lib/rehome/control-pings.ts'
import { hasSecret } from '../../../lib/websocket/control-frames.ts'

t.test('a secret goes through a header', async t => {
  const secret = controlSecret()
  t.strictSame(parseSecret(formatSecret(secret)), secret)
  t.notSame(controlSecret(), secret)
  for (const text of [undefined, '', 'short', 'x'.repeat(100)]) t.equal(parseSecret(text), undefined)
  const text = formatSecret(secret)
  for (const padded of [`${text}=`, `${text}${'!'.repeat(16_000)}`, ` ${text}`, `${text}\n`, `${text.slice(1)}+`])
    t.equal(parseSecret(padded), undefined, `${padded.length} characters`)
})

t.test('what is said is understood by who knows the secret, and fits a ping', async t => {
  const secret = controlSecret()
  const controls: ControlPing[] = [
    { type: 'move', member: '[2001:db8::1]:3000' },
    ...(['stay', 'take', 'drain', 'ended'] as const).map(type => ({ type })),
  ]
  for (const control of controls) {
    const payload = encodeControlPing(secret, control)
    t.ok(payload.length <= 125)
    t.ok(hasSecret(secret, payload))
    t.notOk(hasSecret(controlSecret(), payload))
    t.strictSame(decodeControlPing(payload), control)
  }
  const long = encodeControlPing(secret, { type: 'move', member: `${'x'.repeat(200)}:1` })
  t.ok(long.length <= 125)
  t.strictSame(decodeControlPing(long), { type: 'move', member: '' }, 'a name that does not fit is left out')
  t.equal(decodeControlPing(Buffer.concat([secret, Buffer.of(77)])), undefined, 'of a later version')
})

t.test('pings of others are never taken for ours', async t => {
  const secret = controlSecret()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 125 }), bytes => !hasSecret(secret, Buffer.from(bytes))),
    { seed: 23, numRuns: 300 },
  )
  t.notOk(hasSecret(secret, secret), 'the secret alone says nothing')
})

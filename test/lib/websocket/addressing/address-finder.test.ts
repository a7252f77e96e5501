import fc from 'fast-check'
import t from 'tap'
import { keyProblem } from '../../../../lib/routing/key/routing-key.ts'
import { AddressFinder } from '../../../../lib/websocket/addressing/address-finder.ts'
import { SharedByteAllowance } from '../../../../lib/websocket/byte-allowance.ts'
import { applyMask } from '../../../../lib/websocket/frames.ts'

const finderOf = (field: string, withId = false) =>
  new AddressFinder({ field, withId, maxBytes: 3_000_000, room: new SharedByteAllowance(1_000_000) })

function addressOf(text: string | Uint8Array, field: string, withId = false) {
  const found = finderOf(field, withId).find(Buffer.from(text))
  return typeof found === 'string' ? undefined : found
}

const find = (text: string, field = 'recipientId') => addressOf(text, field)?.recipient

t.test('a recipient is a non-empty string in the field of a JSON object, and nothing else', async t => {
  t.equal(find('{"recipientId":"bob"}'), 'bob')
  t.equal(find(' {"x":1, "recipientId" : "zo\\u00eb"}'), 'zoë')
  t.equal(find('{"recipient\\u0049d":"bob"}'), 'bob', 'a name is what its escapes stand for')
  t.equal(find('{"recipientId":"bob","recipientId":"ann"}'), 'ann', 'the last one counts')
  t.equal(find('{"recipientId":"bob","recipientId":null}'), undefined)
  t.equal(find('{"a\\"b":"c"}', 'a"b'), 'c', 'a field that JSON has to escape')
  t.equal(find('{"__proto__":"bob"}', '__proto__'), 'bob')
  for (const other of [
    '',
    'x',
    '[]',
    'null',
    '"recipientId"',
    '["recipientId"]',
    '{"recipientId":1}',
    '{"recipientId":""}',
    '{"recipientId":"bob"',
    '{"recipientId":"bob"}}',
    '\ufeff{"recipientId":"bob"}',
    '{"a":{"recipientId":"b"}}',
    '{"__proto__":{"recipientId":"b"}}',
  ])
    t.equal(find(other), undefined, other)
  t.equal(find('{}', 'constructor'), undefined, 'what any object has is no field of it')
})

t.test('bytes that are no UTF-8 are not looked at, wherever they are', async t => {
  const text = Buffer.from('{"to":"bob","a":"xx","xx":1}')
  t.equal(addressOf(text, 'to')?.recipient, 'bob')
  for (const at of [7, 17, 22]) {
    const bytes = Buffer.from(text)
    bytes[at] = 0xc3
    t.equal(addressOf(bytes, 'to'), undefined)
  }
  fc.assert(
    fc.property(fc.uint8Array(), bytes => addressOf(bytes, 'to') === undefined),
    { seed: 2 },
  )
})

t.test('a recipient that is too long for a routing key is found, and stays none', async t => {
  for (const character of ['x', 'é', '\\u0041', '\\ud83d\\ude00']) {
    const recipient = find(`{"recipientId":"${character.repeat(200_000)}"}`) ?? ''
    t.match(keyProblem(recipient), /more than 512/)
    t.ok(recipient.length < 4000, 'of it no more is kept than that takes')
  }
})

t.test('the id is there for whom it is wanted', async t => {
  const ids = (text: string, field = 'to') => addressOf(text, field, true)?.id
  t.equal(ids('{"id":7,"to":"bob"}'), 7)
  t.equal(ids('{"to":"bob","id":"x-\\u0031"}'), 'x-1')
  t.equal(ids('{"to":"bob","id":1,"id":-1.5e3}'), -1500)
  for (const other of ['{"to":"bob"}', '{"to":"bob","id":{"id":1}}', '{"to":"bob","id":1,"id":null}'])
    t.equal(ids(other), undefined, other)
  t.equal(ids('{"id":"bob"}', 'id'), 'bob', 'also where it is the recipient')
  t.equal(addressOf('{"to":"bob","id":7}', 'to')?.id, undefined)
})

t.test('masked bytes are read as what they are, in pieces or whole, and stay as they came', async () => {
  const finder = finderOf('to', true)
  fc.assert(
    fc.property(
      fc.nat(0xffffffff),
      fc.array(fc.nat(), { maxLength: 5 }),
      fc.constantFrom(0, 100, 70_000),
      (mask, cuts, pad) => {
        const text = Buffer.from(`{"pad":"${'x'.repeat(pad)}","to":"zo\\u00eb é","id":"7"}`)
        const masked = Buffer.from(text)
        applyMask(masked, mask)
        const chunk = Buffer.concat([Buffer.from('###'), masked, Buffer.from('#')])
        const before = Buffer.from(chunk)
        const whole = finder.find(finder.look(chunk, 3, 3 + text.length, mask))
        const scan = finder.begin()
        let start = 0
        for (const end of [...cuts.map(cut => cut % text.length).sort((a, b) => a - b), text.length]) {
          if (!finder.feed(scan, chunk, 3 + start, 3 + end, mask, start)) throw new Error('refused')
          start = end
        }
        for (const address of [whole, finder.addressOf(scan, text)])
          if (typeof address !== 'object' || address.recipient !== 'zoë é' || address.id !== '7')
            throw new Error(JSON.stringify(address))
        if (!chunk.equals(before)) throw new Error('the chunk was changed')
      },
    ),
    { seed: 32, numRuns: 300 },
  )
})

t.test('nesting below the limit is read; what is deeper is said to be', async t => {
  const nested = (depth: number) => Buffer.from(`{"to":"bob","a":${'['.repeat(depth)}${']'.repeat(depth)}}`)
  t.match(finderOf('to').find(nested(511)), { recipient: 'bob' })
  t.equal(finderOf('to').find(nested(512)), 'too_deep')
  t.equal(finderOf('to').find(nested(1_000_000)), 'too_deep')
  t.equal(finderOf('to').find(nested(1_500_000)), 'too_large', 'before it is looked at')
})

import fc from 'fast-check'
import t from 'tap'
import { keyProblem } from '../../../lib/routing/routing-key.ts'
import { AddressFinder } from '../../../lib/websocket/address-finder.ts'

const find = (text: string, field = 'recipientId') => new AddressFinder(field).find(Buffer.from(text))?.recipient

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
  const finder = new AddressFinder('to')
  const text = Buffer.from('{"to":"bob","a":"xx","xx":1}')
  t.equal(finder.find(text)?.recipient, 'bob')
  for (const at of [7, 17, 22]) {
    const bytes = Buffer.from(text)
    bytes[at] = 0xc3
    t.equal(finder.find(bytes), undefined)
  }
  fc.assert(
    fc.property(fc.uint8Array(), bytes => finder.find(Buffer.from(bytes)) === undefined),
    { seed: 2 },
  )
})

t.test('a recipient that is too long for a routing key is found, and stays none', async t => {
  for (const character of ['x', 'é', '\\u0041', '\\ud83d\\ude00']) {
    const recipient = find(`{"recipientId":"${character.repeat(400_000)}"}`) ?? ''
    t.match(keyProblem(recipient), /more than 512/)
    t.ok(recipient.length < 4000, 'of it no more is kept than that takes')
  }
})

t.test('the id is there for whom it is wanted', async t => {
  const ids = (text: string, field = 'to') => new AddressFinder(field, true).find(Buffer.from(text))?.id
  t.equal(ids('{"id":7,"to":"bob"}'), 7)
  t.equal(ids('{"to":"bob","id":"x-\\u0031"}'), 'x-1')
  t.equal(ids('{"to":"bob","id":1,"id":-1.5e3}'), -1500)
  for (const other of ['{"to":"bob"}', '{"to":"bob","id":{"id":1}}', '{"to":"bob","id":1,"id":null}'])
    t.equal(ids(other), undefined, other)
  t.equal(ids('{"id":"bob"}', 'id'), 'bob', 'also where it is the recipient')
  t.equal(new AddressFinder('to').find(Buffer.from('{"to":"bob","id":7}'))?.id, undefined)
})

import fc from 'fast-check'
import t from 'tap'
import { decodeUsers, encodeUsers, MAX_ANNOUNCEMENT_BYTES, takeUsers } from '../../../sidecar/transport/announcement.ts'

t.test('users are one a line, and come out as they went in', async t => {
  t.equal(encodeUsers(['ann', 'Zoë']).toString('utf8'), 'ann\nZoë')
  t.strictSame(decodeUsers(encodeUsers(['ann', 'Zoë', '👩‍👩‍👧'])), ['ann', 'Zoë', '👩‍👩‍👧'])
})

t.test('what no user can be called makes the whole text malformed', async t => {
  for (const text of ['', 'ann\n', '\nann', 'ann\n\nbob', ' ann', 'a\tb', 'x'.repeat(513)])
    t.equal(decodeUsers(Buffer.from(text)), undefined, JSON.stringify(text.slice(0, 20)))
  t.equal(decodeUsers(Buffer.from([0x61, 0xff])), undefined, 'no UTF-8')
})

t.test('a text may be as long as the limit, and no longer', async t => {
  const line = `${'x'.repeat(511)}\n`
  const full = Buffer.from(line.repeat(128).slice(0, -1))
  t.equal(full.length, MAX_ANNOUNCEMENT_BYTES - 1)
  t.equal(decodeUsers(full)?.length, 128)
  t.equal(decodeUsers(Buffer.from(`${'x'.repeat(511)}\n`.repeat(129))), undefined)
})

t.test('users are taken from the front until an announcement is full; the others stay', async t => {
  const users = Array.from({ length: 300 }, (_, n) => `${n}`.padStart(512, 'x'))
  const from = new Set(users)
  const first = takeUsers(from)
  t.equal(first.length, 127, 'each with its line feed')
  t.strictSame([...first, ...from], users)
  t.strictSame([takeUsers(from).length, takeUsers(from).length, takeUsers(from)], [127, 46, []])
})

t.test('all users get through, each once, in texts that can be decoded', async t => {
  const user = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 400 }).filter(text => !/^ | $/.test(text))
  const property = fc.property(
    fc.uniqueArray(user, { maxLength: 40 }),
    fc.integer({ min: 1, max: 40 }),
    (users, copies) => {
      const all = new Set(users.flatMap(name => Array.from({ length: copies }, (_, n) => `${n}${name}`)))
      const wanted = [...all]
      const got: string[] = []
      while (all.size > 0) {
        const decoded = decodeUsers(encodeUsers(takeUsers(all)))
        if (!decoded) throw new Error('an announcement that cannot be decoded')
        got.push(...decoded)
      }
      if (got.join('\n') !== wanted.join('\n')) throw new Error(`${got.length} of ${wanted.length}`)
    },
  )
  t.doesNotThrow(() => fc.assert(property, { seed: 17, numRuns: 100 }))
})

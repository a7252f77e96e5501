import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { UnsecuredJWT } from 'jose'
import t from 'tap'
import {
  behindBalancer,
  keyOf,
  keyOfTrusted,
  keyProblem,
  parseRoutingKey,
} from '../../../../lib/routing/key/routing-key.ts'

/** A header value as Node gives it: one character for each byte that was sent. */
const sent = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

type Request = { url?: string } & Record<string, string | string[]>

/** The user; several, where a request names several. */
function find(chain: string, { url = '/', ...headers }: Request = {}) {
  const rawHeaders = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().flatMap(value => [name, value]),
  )
  const users = parseRoutingKey(chain).find({ url, rawHeaders })
  return users.length > 1 ? users : users[0]
}

t.test('all places are looked at: those that name nobody do not count, those that name others do', async t => {
  const chain = 'header:ws-user-id,query:user,cookie:uid'
  t.equal(parseRoutingKey(chain).text, chain)
  t.equal(find(chain, { url: '/?user=bob', 'ws-user-id': 'bob', cookie: 'uid=bob' }), 'bob')
  t.equal(find(chain, { url: '/?user=bob', 'ws-user-id': '', cookie: 'uid=bob' }), 'bob')
  t.equal(find(chain, { url: '/?user=', cookie: 'uid=carol' }), 'carol')
  t.equal(find(chain), undefined)
  t.strictSame(find(chain, { url: '/?user=bob', 'ws-user-id': 'ann', cookie: 'uid=bob' }), ['ann', 'bob'])
  for (const bad of ['a%00b', 'a%0Ab', '%20a', '%FF', '%FE', '%ED%A0%80'])
    t.equal(find(chain, { url: `/?user=${bad}`, cookie: 'uid=carol' }), 'carol', bad)
  t.equal(find(chain, { url: '/?user=__proto__' }), '__proto__')
  t.strictSame(find(chain, { url: '/?user=__proto__', cookie: 'uid=constructor' }), ['__proto__', 'constructor'])
})

t.test('names that objects have by themselves are names as all others', async t => {
  const headers = (lines: string[]) => ({ url: '/', rawHeaders: lines })
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    for (const place of ['header', 'query', 'cookie', 'jwt'])
      t.equal(find(`${place}:${name}`), undefined, `${place}:${name}`)
    t.strictSame(parseRoutingKey(`header:${name}`).find(headers([name, 'bob'])), ['bob'])
    t.equal(find(`query:${name}`, { url: `/?${name}=bob` }), 'bob')
    t.equal(find(`cookie:${name}`, { cookie: `${name}=bob` }), 'bob')
    t.equal(find(`jwt:${name}`, { authorization: `Bearer ${new UnsecuredJWT({ sub: 'bob' }).encode()}` }), undefined)
    t.throws(() => parseRoutingKey(`${name}:user`), { message: /names no place in a handshake/ })
  }
})

t.test('bytes that are no text: in every place they name nobody, or each another user', async t => {
  const jwt = (sub: string) => ({ authorization: `Bearer ${new UnsecuredJWT({ sub }).encode()}` })
  const encoded = ['%FF', '%FE', '%C0%AF', '%ED%A0%80', 'ann%FF', 'ann%FE', '%', '%zz']
  const raw = ['\xff', '\xfe', 'ann\xff', 'ann\xfe']
  const places: [chain: string, values: readonly string[], of: (value: string) => Request][] = [
    ['query:user', encoded, value => ({ url: `/?user=${value}` })],
    ['path:^/room/([^/]+)$', encoded, value => ({ url: `/room/${value}` })],
    ['cookie:uid', [...encoded, ...raw], value => ({ cookie: `uid=${value}` })],
    ['protocol:u.', encoded, value => ({ 'sec-websocket-protocol': `u.${value}` })],
    ['header:ws-user-id', [...encoded, ...raw], value => ({ 'ws-user-id': value })],
    ['jwt:sub', ['\ud800', '\udfff', 'ann\ud800', 'ann\udfff'], jwt],
  ]
  for (const [chain, values, of] of places) {
    const users = values.map(value => find(chain, of(value))).filter(user => user !== undefined)
    t.equal(new Set(users).size, users.length, `${chain}: ${users.length} of ${values.length} are users`)
    t.notOk(users.includes('ann'), chain)
    t.notMatch(users.join(), '\ufffd', chain)
  }
})

t.test('a NUL names nobody, in every place', async t => {
  for (const [chain, request] of [
    ['query:user', { url: '/?user=ann%00' }],
    ['path:^/room/([^/]+)$', { url: '/room/ann%00' }],
    ['cookie:uid', { cookie: 'uid=ann%00' }],
    ['protocol:u.', { 'sec-websocket-protocol': 'u.ann%00' }],
    ['header:ws-user-id', { 'ws-user-id': 'ann\0' }],
    ['jwt:sub', { authorization: `Bearer ${new UnsecuredJWT({ sub: 'ann\0' }).encode()}` }],
  ] as [string, Request][])
    t.equal(find(chain, request), undefined, chain)
  for (const chain of ['query:a\0b', 'path:^/(\0+)$', 'query:user\n'])
    t.throws(() => parseRoutingKey(chain), { message: /control character/ }, JSON.stringify(chain))
})

t.test('a place that names two users is as two places; one that repeats itself is not', async t => {
  const claim = (sub: string) => `Bearer ${new UnsecuredJWT({ sub }).encode()}`
  for (const [chain, of] of [
    ['query:user', (...users: string[]) => ({ url: `/?${users.map(user => `user=${user}`).join('&')}` })],
    ['query:user', (...users: string[]) => ({ url: `/?${users.map(user => `%75ser=${user}`).join('&')}` })],
    ['header:X-User', (...users: string[]) => ({ 'x-user': users })],
    ['header:X-User', (...users: string[]) => ({ 'x-user': users[0] ?? '', x_user: users.slice(1) })],
    ['cookie:uid', (...users: string[]) => ({ cookie: users.map(user => `uid=${user}`).join('; ') })],
    ['cookie:uid', (...users: string[]) => ({ cookie: users.map(user => `uid="${user}"`) })],
    ['protocol:u.', (...users: string[]) => ({ 'sec-websocket-protocol': users.map(user => `u.${user}`).join(', ') })],
    ['protocol:u.', (...users: string[]) => ({ 'Sec-WebSocket-Protocol': users.map(user => `u.${user}`) })],
    ['jwt:sub', (...users: string[]) => ({ authorization: users.map(claim) })],
  ] as [string, (...users: string[]) => Request][]) {
    t.equal(find(chain, of('bob')), 'bob', chain)
    t.equal(find(chain, of('bob', 'bob')), 'bob', chain)
    t.strictSame(find(chain, of('bob', 'mallory')), ['bob', 'mallory'], chain)
  }
})

t.test('what follows a # in the target counts both ways, for apps differ', async t => {
  const chain = 'header:ws-user-id,query:user,path:^/room/([^/]+)'
  t.strictSame(find(chain, { url: '/?a=#&user=mallory', 'ws-user-id': 'bob' }), ['bob', 'mallory'])
  t.strictSame(find(chain, { url: '/?user=bob#' }), ['bob', 'bob#'])
  t.strictSame(find(chain, { url: '/#?user=mallory', 'ws-user-id': 'bob' }), ['bob', 'mallory'])
  t.strictSame(find(chain, { url: 'ws://chat.example#/?user=mallory', 'ws-user-id': 'bob' }), ['bob', 'mallory'])
  t.strictSame(find(chain, { url: '/room/bob#' }), ['bob', 'bob#'])
  t.equal(find(chain, { url: '/room/bob/#/?a=%23' }), 'bob')
})

t.test('jwt: a token is found however its header is written, for apps differ', async t => {
  const token = new UnsecuredJWT({ sub: 'mallory' }).encode()
  for (const authorization of [
    'T',
    'Bearer\tT',
    'Bearer T x',
    'Bearer T, x',
    'x, Bearer T',
    'JWT T',
    'Bearer T,Bearer T',
  ])
    t.strictSame(
      find('header:ws-user-id,jwt:sub', { 'ws-user-id': 'bob', authorization: authorization.replace(/\bT\b/g, token) }),
      ['bob', 'mallory'],
      authorization,
    )
})

t.test('a name of more than 512 bytes stands for its hash, in each place', async t => {
  const name = 'é'.repeat(300)
  const hash = `sha256:${createHash('sha256').update(name).digest('hex')}`
  t.equal(keyOf(name), hash)
  t.equal(keyProblem(hash), undefined)
  t.equal(find('header:x,query:user', { url: `/?user=${encodeURIComponent(name)}`, x: sent(name) }), hash)
  t.equal(keyOf('x'.repeat(512)), 'x'.repeat(512))
  t.equal(keyOf(`${'x'.repeat(600)}\n`), undefined, 'what no key may have, a long one may not have either')
  t.equal(keyOf(`${'x'.repeat(600)}\ud83d`), undefined)
})

t.test('nobody can have the key of a long name as a name', async t => {
  const name = 'x'.repeat(600)
  const key = keyOf(name) ?? ''
  const authorization = `Bearer ${new UnsecuredJWT({ sub: key }).encode()}`
  for (const [chain, request] of [
    ['query:user', { url: `/?user=${key}` }],
    ['query:user', { url: `/?user=${key.replace(':', '%3A')}` }],
    ['header:ws-user-id', { 'ws-user-id': key }],
    ['cookie:uid', { cookie: `uid="${key}"` }],
    ['path:^/room/([^/]+)$', { url: `/room/${key}` }],
    ['protocol:u.', { 'sec-websocket-protocol': `u.${key.replace(':', '%3A')}` }],
    ['jwt:sub', { authorization }],
  ] as [string, Request][])
    t.equal(find(chain, request), undefined, chain)
  t.equal(keyOf(key), undefined)
  t.equal(keyOfTrusted(key), key, 'an app or a balancer says it of a long name')
  for (const other of [key.toUpperCase(), `${key}0`, key.slice(0, -1), 'sha256:', `x${key}`])
    t.equal(keyOf(other), other, 'names of another form are names')
  const { text, find: findBehind } = behindBalancer(parseRoutingKey('header:ws-user-id,query:user'))
  t.equal(text, 'header:ws-user-id,header:ws-user-id,query:user')
  t.strictSame(findBehind({ url: `/?user=${name}`, rawHeaders: ['ws-user-id', key] }), [key])
  t.strictSame(findBehind({ url: '/?user=ann', rawHeaders: ['ws-user-id', 'bob'] }), ['bob', 'ann'])
})

t.test('a comma separates items only where another item begins', async t => {
  const chain = 'path:^/(\\w{1,3})/(?:a,b), query:user ,header:x'
  t.equal(find(chain, { url: '/abc/a,b' }), 'abc')
  t.equal(find(chain, { url: '/?user=bob' }), 'bob')
  t.equal(find(chain, { x: 'carol' }), 'carol')
})

t.test('a chain that cannot be meant is refused, with the item that is wrong', async t => {
  for (const [chain, reason] of [
    ['', 'names no place in a handshake: expected header, query'],
    ['user', 'names no place'],
    ['query:', 'names no place'],
    ['body:user', 'names no place'],
    ['constructor:x', 'names no place'],
    ['header:a b', '"header:a b": "a b" cannot be a header name'],
    ['query:a,cookie:a;b', 'cookie name'],
    ['protocol:a,b', 'sub-protocol'],
    ['jwt:sub@query:', 'does not say which query has the token'],
    ['jwt:sub@cookie:a;b', 'cookie name'],
    ['header:a,body:b', 'header name'],
    ['path:^/room/(', '"path:\\^/room/\\(": .*missing closing'],
    ['path:^/room/.*', 'exactly one capture group, it has 0'],
    ['path:^/(a)/(b)', 'exactly one capture group, it has 2'],
  ] as const) {
    t.throws(() => parseRoutingKey(chain), { message: new RegExp(reason) }, chain)
  }
})

t.test('no handshake makes it throw', async t => {
  const key = parseRoutingKey('header:x,query:u,cookie:c,jwt:sub,path:^/(\\w+)$,protocol:p.')
  const text = fc.string({ unit: 'binary' })
  const property = fc.property(text, text, text, text, text, (url, x, cookie, token, protocol) => {
    const rawHeaders = [
      'x',
      x,
      'Cookie',
      cookie,
      'Authorization',
      `Bearer ${token}`,
      'Sec-WebSocket-Protocol',
      protocol,
    ]
    return key.find({ url, rawHeaders }).every(user => keyProblem(user) === undefined)
  })
  t.doesNotThrow(() => fc.assert(property, { seed: 2, numRuns: 300 }))
})

t.test('whatever is said where, the users are all keys that were said, each once', async t => {
  const key = parseRoutingKey('header:x,query:u,cookie:c')
  const names = fc.array(fc.oneof(fc.constantFrom('ann', 'bob', '__proto__', ''), fc.string({ unit: 'binary' })), {
    maxLength: 4,
  })
  const property = fc.property(names, names, names, (headers, query, cookies) => {
    const percent = (name: string) => encodeURIComponent(name.toWellFormed())
    const users = key.find({
      url: `/?${query.map(name => `u=${percent(name)}`).join('&')}`,
      rawHeaders: [
        ...headers.flatMap(name => ['X', sent(name.toWellFormed())]),
        ...cookies.flatMap(name => ['Cookie', `c=${percent(name)}`]),
      ],
    })
    const said = [...headers, ...query.filter(name => !name.toWellFormed().includes('\ufffd')), ...cookies]
    const wanted = new Set(said.flatMap(name => keyOf(name.toWellFormed()) ?? []))
    if (new Set(users).size !== users.length) throw new Error('a user is there twice')
    if (wanted.size !== users.length || users.some(user => !wanted.has(user)))
      throw new Error(`${JSON.stringify(users)}, not ${JSON.stringify([...wanted])}`)
  })
  t.doesNotThrow(() => fc.assert(property, { seed: 11, numRuns: 500 }))
})

t.test('a token in two places is one user, two tokens are two', async t => {
  const of = (sub: string) => new UnsecuredJWT({ sub }).encode()
  const ann = of('ann')
  const chain = 'jwt:sub,jwt:sub@query:access_token,query:user'
  t.equal(find(chain, { url: `/?access_token=${ann}&user=ann`, authorization: `Bearer ${ann}` }), 'ann')
  t.strictSame(find(chain, { url: `/?access_token=${ann}`, authorization: `Bearer ${of('bob')}` }), ['bob', 'ann'])
  t.strictSame(find(chain, { url: '/?access_token=no.token.at-all' }), undefined)
})

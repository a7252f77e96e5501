import { UnsecuredJWT } from 'jose'
import t from 'tap'
import { keySources } from '../../../../lib/routing/key/key-sources.ts'

/** A header value as Node gives it: one character for each byte that was sent. */
const sent = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

type Request = { url?: string } & Record<string, string | string[]>

/** What a place such as `query:user` has of a request: nothing, a value, or several. */
function find(place: string, { url = '/', ...headers }: Request = {}) {
  const [, source = '', argument = ''] = /^(\w+):(.*)$/s.exec(place) ?? []
  const rawHeaders = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().flatMap(value => [name, value]),
  )
  const values = keySources[source as keyof typeof keySources](argument)({ url, rawHeaders })
  return values.length > 1 ? values : values[0]
}

t.test('header: its name in any case, its value in UTF-8, else in ISO 8859-1', async t => {
  t.equal(find('header:WS-User-Id', { 'ws-user-id': 'alice' }), 'alice')
  t.equal(find('header:x', { x: sent('Zoë 用户 𝒜') }), 'Zoë 用户 𝒜')
  t.equal(find('header:x', { x: 'Zo\u00eb' }), 'Zoë')
})

t.test('query: as URLSearchParams reads it', async t => {
  t.equal(find('query:user', { url: '/chat?a=1&user=Zo%C3%AB+B' }), 'Zoë B')
  t.equal(find('query:user', { url: 'http://chat.example/ws?user=bob' }), 'bob', 'absolute form')
  t.equal(find('query:user', { url: '/?user=%E0%A4%A' }), undefined, 'a broken encoding names nobody')
  t.equal(find('query:user', { url: '/user=bob' }), undefined)
  t.equal(find('query:user', { url: '' }), undefined)
  t.equal(find('query:a b', { url: '/?a+b=c' }), 'c', 'a name is any text')
})

t.test('cookie: quoted or not, percent-decoded', async t => {
  t.equal(find('cookie:uid', { cookie: 'xuid=1; uid=a%20b; uidx=c' }), 'a b')
  t.equal(find('cookie:uid', { cookie: 'uid="alice"' }), 'alice')
  t.equal(find('cookie:uid', { cookie: 'uid=a=b' }), 'a=b')
  t.equal(find('cookie:uid', { cookie: `uid=${sent('Zoë')}` }), 'Zoë')
  t.equal(find('cookie:uid', { cookie: 'uid=100%' }), '100%', 'a broken encoding stays as it is')
  t.equal(find('cookie:uid', { cookie: 'uid; =; ;;uid' }), undefined)
  t.equal(find('cookie:uid'), undefined)
})

t.test('jwt: a string or number of the payload, whatever the signature', async t => {
  const token = (claims: Record<string, unknown>) => new UnsecuredJWT(claims).encode()
  t.equal(find('jwt:sub', { authorization: `Bearer ${token({ sub: 'Zoë' })}` }), 'Zoë')
  t.equal(find('jwt:sub', { authorization: `bearer  ${token({ sub: 'x' })}AAAA` }), 'x', 'it is not verified')
  t.equal(find('jwt:id', { authorization: `Bearer ${token({ id: 42 })}` }), '42')
  t.equal(find('jwt:https://x.example/id', { authorization: `Bearer ${token({ 'https://x.example/id': 'u' })}` }), 'u')
  for (const claims of [{}, { sub: '' }, { sub: null }, { sub: {} }, { sub: ['a'] }, { sub: true }]) {
    t.notOk(find('jwt:sub', { authorization: `Bearer ${token(claims)}` }), JSON.stringify(claims))
  }
  t.equal(find('jwt:constructor', { authorization: `Bearer ${token({})}` }), undefined, 'nothing inherited')
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    'Bearer x',
    'Bearer a.b.c',
    'Basic YTpi',
    'Bearer ..',
    'Bearer e30.e30.e30.e30.e30',
  ]) {
    t.equal(find('jwt:sub', { authorization }), undefined, authorization)
  }
})

t.test('jwt: the token in a place that is named', async t => {
  const of = (sub: string) => new UnsecuredJWT({ sub }).encode()
  const ann = of('ann')
  t.equal(find('jwt:sub@query:token', { url: `/?token=${ann}` }), 'ann')
  t.equal(find('jwt:sub@cookie:session', { cookie: `a=b; session=${ann}` }), 'ann')
  t.equal(find('jwt:sub@protocol:bearer.', { 'sec-websocket-protocol': `chat, bearer.${ann}` }), 'ann')
  t.equal(find('jwt:sub@header:X-Token', { 'x-token': ann }), 'ann')
  t.equal(find('jwt:sub@query:token', { authorization: `Bearer ${ann}` }), undefined, 'and in no other')
  t.equal(find('jwt:a@b', { authorization: `Bearer ${new UnsecuredJWT({ 'a@b': 'x' }).encode()}` }), 'x')
  t.equal(find('jwt:sub@query:token', { url: '/?token=no.token.at-all' }), undefined)
})

t.test('path: the capture group, on the path as sent, then percent-decoded', async t => {
  const chain = 'path:^/room/([^/]+)'
  t.equal(find(chain, { url: '/room/42?x=/room/7' }), '42')
  t.equal(find(chain, { url: '/room/a%2Fb/c' }), 'a/b')
  t.equal(find(chain, { url: '/room/100%' }), '100%')
  t.equal(find(chain, { url: 'ws://chat.example/room/1' }), '1')
  t.equal(find(chain, { url: '/rooms' }), undefined)
  t.equal(find('path:^/(?:x|(y))$', { url: '/x' }), undefined, 'a group that took no part')
  t.equal(find(chain, { url: `/room/${'x'.repeat(9000)}` }), undefined, 'a path above 8 KiB is not tried')
})

t.test('protocol: the rest of what starts with the prefix', async t => {
  const headers = { 'sec-websocket-protocol': 'chat, user., user.Zo%C3%AB , other.bob' }
  t.equal(find('protocol:user.', headers), 'Zoë')
  t.equal(find('protocol:token.', headers), undefined)
  t.equal(find('protocol:user.'), undefined)
})

t.test('a value that is there twice is given twice: the caller decides what that means', async t => {
  t.strictSame(find('query:user', { url: '/?user=bob&user=ann' }), ['bob', 'ann'])
  t.strictSame(find('header:X-User', { 'x-user': ['bob', 'bob'] }), ['bob', 'bob'])
  t.strictSame(find('header:X-User', { 'X-User': 'bob', x_user: 'ann' }), ['bob', 'ann'], 'CGI reads both as one')
  t.strictSame(find('cookie:uid', { cookie: ['uid=bob; uid=ann', 'uid="eve"'] }), ['bob', 'ann', 'eve'])
})

t.test('a target with a fragment is read with and without it', async t => {
  t.strictSame(find('query:user', { url: '/?user=bob#x' }), ['bob', 'bob#x'])
  t.strictSame(find('path:^/room/([^/]+)$', { url: '/room/bob#x' }), ['bob', 'bob#x'])
})

t.test('an argument that can name nothing is refused, and quoted', async t => {
  for (const [source, argument, message] of [
    ['header', 'a b', '"a b" cannot be a header name'],
    ['cookie', 'a;b', '"a;b" cannot be a cookie name'],
    ['protocol', 'a,b', '"a,b" cannot be a start of a sub-protocol'],
    ['jwt', 'sub@query:', 'it does not say which query has the token'],
    ['jwt', 'sub@header:a b', '"a b" cannot be a header name'],
  ] as const)
    t.throws(() => keySources[source](argument), { message }, `${source}:${argument}`)
})

t.test('bytes of a character that look like a blank are part of the name', async t => {
  for (const name of ['à', 'Ã', 'a\u00a0', '\ufeffa', 'a\u3000'].map(sent)) {
    const text = Buffer.from(name, 'latin1').toString()
    t.equal(find('cookie:uid', { cookie: `x=1; uid=${name} ; y=2` }), text, `cookie ${JSON.stringify(text)}`)
    t.equal(find('header:x', { x: name }), text)
  }
  for (const name of ['a\u00a0', '\u00a0a'])
    t.equal(find('protocol:u.', { 'sec-websocket-protocol': `v1, u.${name} , v2` }), `${name}`)
})

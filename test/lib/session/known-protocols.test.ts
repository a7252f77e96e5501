import t from 'tap'
import { sessionProtocolOf } from '../../../lib/session/known-protocols.ts'

const nameOf = (target: string, protocol?: string) => sessionProtocolOf({ target, protocol })?.name

t.test('a negotiated sub-protocol names the protocol', async t => {
  for (const [protocol, name] of [
    ['graphql-transport-ws', 'graphql-transport-ws'],
    ['graphql-ws', 'graphql-ws'],
    ['mqtt', 'mqtt'],
    ['mqttv3.1', 'mqtt'],
    ['v10.stomp', 'stomp'],
    ['v12.stomp', 'stomp'],
    ['wamp.2.json', 'wamp'],
    ['wamp.2.msgpack', 'wamp'],
    ['actioncable-v1-json', 'action-cable'],
    ['v1.kernel.websocket.jupyter.org', 'jupyter'],
    ['ocpp1.6', 'ocpp'],
    ['ocpp2.0.1', 'ocpp'],
    ['xmpp', 'xmpp'],
    ['chat', undefined],
    ['mqtt-like', undefined],
  ] as const)
    t.equal(nameOf('/', protocol), name, protocol)
})

t.test('without a sub-protocol, path and query name it', async t => {
  for (const [target, name] of [
    ['/socket.io/?EIO=4&transport=websocket', 'socket.io'],
    ['/socket.io/?transport=websocket&EIO=3&sid=abc', 'socket.io'],
    ['/socket/websocket?vsn=2.0.0', 'phoenix'],
    ['/socket/websocket?token=a&vsn=2.0.0', 'phoenix'],
    ['/live/websocket?vsn=2.0.0', 'live-view'],
    ['/echo/123/abcd1234/websocket', 'sockjs'],
    ['/api/kernels/6f1c/channels?session_id=1', 'jupyter'],
    ['/?user=ann', undefined],
    ['/api/v1/websocket', undefined],
    ['/ws?vsn=2.0.0', undefined],
  ] as const)
    t.equal(nameOf(target), name, target)
})

t.test('a negotiated sub-protocol that is none of them does not hide what the path says', async t => {
  t.equal(nameOf('/api/kernels/6f1c/channels', 'other'), 'jupyter')
})

t.test('a protocol with a goodbye of its own has it', async t => {
  const goodbyeOf = (target: string, protocol?: string) => sessionProtocolOf({ target, protocol })?.goodbye
  t.strictSame(JSON.parse(goodbyeOf('/cable', 'actioncable-v1-json') ?? ''), {
    type: 'disconnect',
    reason: 'server_restart',
    reconnect: true,
  })
  t.equal(goodbyeOf('/echo/123/abcd1234/websocket'), 'c[1012,"service restart"]')
  t.equal(goodbyeOf('/', 'mqtt'), undefined)
})

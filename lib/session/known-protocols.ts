/** What an accepted handshake tells about the protocol that the connection speaks. */
export interface AcceptedHandshake {
  /** Request target (RFC 9112 §3.2): path and query. */
  readonly target: string
  /** Negotiated sub-protocol (RFC 6455 §4.2.2). */
  readonly protocol: string | undefined
}

/** A protocol whose session lives in the app process that accepted the connection. */
export interface SessionProtocol {
  readonly name: string
  /** Text message with which a server of this protocol says that the client must connect again. */
  readonly goodbye?: string
}

interface Rule extends SessionProtocol {
  readonly subprotocol?: RegExp
  readonly target?: RegExp
}

const ENGINE_IO = /[?&]EIO=\d/
const PHOENIX = /\/websocket\?(?:.*&)?vsn=\d/
const LIVE_VIEW = /\/live\/websocket(?:\?|$)/
const SOCKJS = /\/\d{3}\/[\w-]+\/websocket(?:\?|$)/
const JUPYTER = /\/api\/kernels\/[^/]+\/channels(?:\?|$)/

/** The first rule that matches counts: more specific ones come first. */
const RULES: readonly Rule[] = [
  { name: 'graphql-transport-ws', subprotocol: /^graphql-transport-ws$/ },
  { name: 'graphql-ws', subprotocol: /^graphql-ws$/ },
  { name: 'mqtt', subprotocol: /^mqtt(?:v3\.1)?$/ },
  { name: 'stomp', subprotocol: /^v1[012]\.stomp$/ },
  { name: 'wamp', subprotocol: /^wamp\.2\./ },
  {
    name: 'action-cable',
    subprotocol: /^actioncable-/,
    goodbye: '{"type":"disconnect","reason":"server_restart","reconnect":true}',
  },
  { name: 'jupyter', subprotocol: /^v1\.kernel\.websocket\.jupyter\.org$/, target: JUPYTER },
  { name: 'ocpp', subprotocol: /^ocpp\d/ },
  { name: 'xmpp', subprotocol: /^xmpp(?:-framing)?$/ },
  { name: 'socket.io', target: ENGINE_IO },
  { name: 'live-view', target: LIVE_VIEW },
  { name: 'phoenix', target: PHOENIX },
  { name: 'sockjs', target: SOCKJS, goodbye: 'c[1012,"service restart"]' },
]

/**
 * The protocol of a connection, if it is one whose sessions no other app process knows.
 *
 * @returns `undefined` if the handshake shows no such protocol
 */
export function sessionProtocolOf({ target, protocol }: AcceptedHandshake): SessionProtocol | undefined {
  return RULES.find(rule => (protocol !== undefined && rule.subprotocol?.test(protocol)) || rule.target?.test(target))
}

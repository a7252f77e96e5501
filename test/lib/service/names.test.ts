import t from 'tap'
import * as names from '../../../lib/service/names.ts'

const headers = Object.entries(names).flatMap(([name, value]): [string, string][] =>
  name.endsWith('_HEADER') && typeof value === 'string' ? [[name, value]] : [],
)

t.test('a header name is lower case, as Node gives the headers of a request', async t => {
  t.ok(headers.length > 10)
  for (const [name, header] of headers) t.match(header, /^[a-z0-9]+(-[a-z0-9]+)*$/, name)
})

t.test('two headers never share a name', async t => {
  t.equal(new Set(headers.map(([, header]) => header)).size, headers.length)
})

t.test('every header that an app would trust is a hop header: clients cannot set it', async t => {
  t.strictSame(
    [...names.HOP_HEADERS].sort(),
    [
      names.USER_HEADER,
      names.CLIENT_REQUEST_HEADER,
      names.CONNECTION_HEADER,
      names.CONTROL_HEADER,
      names.PENDING_CLIENT_HEADER,
      names.SENDER_USER_HEADER,
      names.SHADOW_HEADER,
      names.TARGET_HEADER,
    ].sort(),
  )
})

t.test('every response header that names a pod is hidden with the topology', async t => {
  t.strictSame(
    [...names.TOPOLOGY_HEADERS].sort(),
    [names.INSTANCE_HEADER, names.PROXY_INSTANCE_HEADER, names.UPSTREAM_HOST_HEADER].sort(),
  )
})

t.test('labels and annotations are valid keys of Kubernetes under one prefix', async t => {
  for (const key of [
    names.ENABLE_LABEL,
    names.TARGET_LABEL,
    names.STATUS_ANNOTATION,
    names.STATUS_MESSAGE_ANNOTATION,
    names.SIDECAR_REVISION_ANNOTATION,
    names.BALANCER_REVISION_ANNOTATION,
  ])
    t.match(key, /^ws\.operator\/[a-z]([a-z-]*[a-z])?$/)
})

t.test("what belongs to a Deployment has the Deployment's name first", async t => {
  t.equal(names.headlessServiceName('chat'), 'chat-ws-proxy-headless')
  t.equal(names.podTokenName('chat'), 'chat-ws-proxy-token')
  t.equal(names.balancerChildName('chat'), 'chat-balancer')
})

t.test('names of containers and ports are valid in a pod', async t => {
  t.match(names.SIDECAR_CONTAINER, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/)
  // IANA service name (RFC 6335, section 5.1): at most 15 characters.
  t.match(names.SIDECAR_PORT_NAME, /^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$/)
})

t.test('the containers of one pod can use all default ports, and their alternatives, side by side', async t => {
  const ports = [
    names.DEFAULT_PORT,
    names.ALTERNATIVE_SIDECAR_PORT,
    names.DEFAULT_ADMIN_PORT,
    names.ALTERNATIVE_ADMIN_PORT,
    names.DEFAULT_APP_PORT,
  ]
  t.equal(new Set(ports).size, ports.length)
  for (const port of [...ports, names.DEFAULT_HOOKS_PORT]) t.ok(port > 1023 && port < 65_536, `${port}`)
})

t.test('each version of links has the prefix by which all of them are known', async t => {
  t.ok(names.LINK_PROTOCOL.startsWith(names.LINK_PROTOCOL_PREFIX))
  t.match(names.LINK_PROTOCOL, /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a token, as a sub-protocol must be')
})

t.test('the default routing key looks for the user where clients are told to put it', async t => {
  t.equal(names.DEFAULT_ROUTING_KEY, 'header:ws-user-id,query:user')
})

import t from 'tap'
import { DEFAULT_ROUTING_KEY } from '../../../lib/service/names.ts'
import { plan } from '../plans.ts'

/** Said, so that nothing has to be advised about it. */
const SAID = { 'ws.operator/routing-key': 'cookie:session', 'ws.operator/rehome': 'close' }
const advice = (annotations: Record<string, string>, pod: object = {}) =>
  plan({ ...SAID, ...annotations }, pod).advice.join(' ')
const app = (lifecycle?: object) => ({ containers: [{ name: 'app', ports: [{ containerPort: 3001 }], lifecycle }] })

t.test('advises a longer grace period exactly where draining and ending do not fit in', async t => {
  const text = (drain: string, grace?: number) =>
    advice({ 'ws.operator/drain-seconds': drain }, { terminationGracePeriodSeconds: grace })
  t.notMatch(text('25'), 'terminationGracePeriodSeconds')
  t.match(text('26'), 'Set terminationGracePeriodSeconds to 31 or more (it is 30)')
  t.notMatch(text('300', 305), 'terminationGracePeriodSeconds')
  t.match(text('300', 304), 'Set terminationGracePeriodSeconds to 305 or more (it is 304)')
  t.match(
    advice({}, { terminationGracePeriodSeconds: 10 }),
    '(it is 10), or ws.operator/drain-seconds to less (it is 20)',
  )
})

t.test('advises a pause before the app ends exactly where there is none', async t => {
  t.match(advice({}, app()), 'Add lifecycle.preStop.sleep of 5 s to container app: ')
  t.match(advice({}, app({ postStart: {} })), 'preStop')
  t.equal(advice({}, app({ preStop: { sleep: { seconds: 5 } } })), '')
  t.equal(advice({}, app({ preStop: { exec: { command: ['sleep', '5'] } } })), '')
})

t.test('says which port it assumes where the pod names none', async t => {
  const silent = { containers: [{ name: 'app', lifecycle: { preStop: {} } }] }
  t.match(
    advice({}, silent),
    'No container declares a TCP port, and no probe names one. ws-operator assumes that the app listens on 3001, and that 3000 and 9090 are free for the sidecar.',
  )
  t.equal(advice({ 'ws.operator/app-port': '8080' }, silent), '')
})

t.test('says where handshakes must name their user exactly where the Deployment does not', async t => {
  t.equal(DEFAULT_ROUTING_KEY, 'header:ws-user-id,query:user', 'the places that the sentence names')
  const sentence =
    'Users are known by header ws-user-id or query parameter user. If your clients name them elsewhere, set ws.operator/routing-key.'
  t.strictSame(
    plan({}).advice.filter(one => one === sentence),
    [sentence],
  )
  for (const chain of ['jwt:sub', 'cookie:session', DEFAULT_ROUTING_KEY])
    t.notMatch(advice({ 'ws.operator/routing-key': chain }), 'Users are known by', chain)
})

t.test('says which clients are moved, until the owner has decided', async t => {
  const about = (annotations: Record<string, string>) => plan(annotations).advice.filter(one => one.includes('rehome:'))
  t.match(about({}), [/^When a pod ends, its clients that have sent a message are closed with 1012/])
  t.match(about({ 'ws.operator/rehome': 'transparent' }), [/the app must know each of them by its handshake/])
  const hello = { 'ws.operator/rehome-hello': 'first-text' }
  t.match(
    plan(hello).advice.join(' '),
    'ws.operator/rehome-hello has an effect only with ws.operator/rehome: transparent',
  )
  t.notMatch(plan({ ...hello, 'ws.operator/rehome': 'transparent' }).advice.join(' '), 'has an effect only')
  for (const rehome of ['auto', 'close']) t.strictSame(about({ 'ws.operator/rehome': rehome }), [])
  t.strictSame(about({ 'ws.operator/balancer': 'none' }), [], 'nothing moves them')
})

const WARNING = "lets any client speak in another's name"

t.test('a delivery that lets any client speak in another’s name is reported', async t => {
  for (const deliver of ['app', 'client']) {
    t.match(advice({ 'ws.operator/deliver': deliver }), `ws.operator/deliver: ${deliver} ${WARNING}`)
    t.notMatch(advice({ 'ws.operator/deliver': deliver, 'ws.operator/route': 'outbound' }), WARNING)
  }
  t.notMatch(advice({}), WARNING)
  t.notMatch(advice({ 'ws.operator/deliver': 'sender' }), WARNING)
})

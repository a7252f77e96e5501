import type { Container } from 'kubernetes-types/core/v1.d.ts'
import t, { type Test } from 'tap'
import { AddressBlock } from '../../../local/pods/addresses.ts'
import { Pod } from '../../../local/pods/pod.ts'

t.setTimeout(60_000)

const IMAGE = 'ws-operator-example-chat'
const SIDECAR_PORT = 3000
const APP_PORT = 3001

/** The example app, with a preStop hook of this text. */
const container = (name: string, port: number, hook?: string): Container => ({
  name,
  image: IMAGE,
  env: [{ name: 'PORT', value: String(port) }],
  startupProbe: { httpGet: { path: '/healthz', port } },
  readinessProbe: { httpGet: { path: '/healthz', port } },
  ...(hook !== undefined && { lifecycle: { preStop: { exec: { command: ['node', '-e', hook] } } } }),
})

/** Text of a hook that says when a port answers, or when it no longer does. */
const until = (port: number, wanted: boolean, then: string) => `(async () => {
  const answers = () => fetch('http://' + process.env.HOST + ':${port}/healthz').then(r => r.ok, () => false)
  while ((await answers()) !== ${wanted}) await new Promise(resolve => setTimeout(resolve, 20))
  ${then}
})()`
const FOR_EVER = 'setInterval(() => {}, 1000)'

/** A pod that is ready, with what its containers and their hooks write. */
async function ready(t: Test, sidecarHook?: string, appHook?: string, graceSeconds = 30) {
  const block = await AddressBlock.reserve()
  t.teardown(() => block.release())
  const lines: string[] = []
  const spec = {
    initContainers: [{ ...container('sidecar', SIDECAR_PORT, sidecarHook), restartPolicy: 'Always' }],
    containers: [container('app', APP_PORT, appHook)],
    terminationGracePeriodSeconds: graceSeconds,
  }
  const facts = { name: 'pod', namespace: 'default', ip: block.take(), membersFile: '', port: (port: number) => port }
  const pod = new Pod(
    { spec },
    { ...facts, entry: undefined },
    {
      changed: ({ state }) => lines.push(state),
      line: () => {},
      hookLine: (_pod, name, line) => lines.push(`${name}: ${line}`),
    },
  )
  t.teardown(() => pod.kill())
  await pod.start()
  t.equal(pod.state, 'ready')
  return { pod, lines }
}

t.test('the hooks run at once; the app ends after its own, its sidecar runs on until it has', async t => {
  const appGone = `console.log('app is gone'); ${until(SIDECAR_PORT, true, "console.log('sidecar is there')")}`
  const { pod, lines } = await ready(
    t,
    until(APP_PORT, false, appGone),
    until(APP_PORT, true, "console.log('app is there')"),
  )
  await pod.terminate()
  t.strictSame(lines, [
    'ready',
    'draining',
    'app: app is there',
    'sidecar: app is gone',
    'sidecar: sidecar is there',
    'gone',
  ])
  t.equal(pod.problem, undefined)
  t.strictSame(pod.pids, [])
})

t.test('a sidecar whose hook is done still waits for the app', async t => {
  // The hook of the app is the longer one: it ends only when the other has.
  const { pod, lines } = await ready(
    t,
    "console.log('done')",
    `setTimeout(() => ${until(SIDECAR_PORT, true, "console.log('sidecar is there')")}, 1000)`,
  )
  await pod.terminate()
  // A machine that is very busy may start the shorter one late.
  t.strictSame(lines.toSorted(), ['ready', 'draining', 'sidecar: done', 'app: sidecar is there', 'gone'].toSorted())
})

t.test('a hook that is not done is ended with the grace period, and that is said', async t => {
  const { pod } = await ready(t, FOR_EVER, undefined, 1)
  await pod.terminate()
  t.equal(pod.problem, 'the preStop hook of sidecar was not done at the end of the grace period')
})

t.test('a hook that fails is said, and the container ends all the same', async t => {
  const { pod } = await ready(t, "console.log('no way'); process.exit(3)")
  await pod.terminate()
  t.equal(pod.state, 'gone')
  t.equal(pod.problem, 'the preStop hook of sidecar ended with exit code 3, saying: no way')
})

t.test('where everything ends no hook is waited for, not even one that runs', async t => {
  const { pod, lines } = await ready(t, FOR_EVER, `console.log('here'); ${FOR_EVER}`)
  void pod.terminate()
  await pod.stop()
  t.equal(lines.at(-1), 'gone')
  t.equal(pod.problem, undefined)
  t.strictSame(pod.pids, [])
})

t.test('a pod that is killed takes its hooks along', async t => {
  const { pod } = await ready(t, FOR_EVER, FOR_EVER)
  const ended = pod.terminate()
  await pod.kill()
  await ended
  t.equal(pod.state, 'gone')
})

t.test('a hook that this machine cannot run is said before anything starts', async t => {
  const odd = { ...container('app', APP_PORT), lifecycle: { preStop: { httpGet: { port: 1 } } } }
  const facts = { name: 'p', namespace: 'd', ip: '127.0.0.1', membersFile: '', port: (port: number) => port }
  const listener = { changed: () => {}, line: () => {}, hookLine: () => {} }
  t.throws(
    () => new Pod({ spec: { containers: [odd] } }, { ...facts, entry: undefined }, listener),
    /container app: nothing on this machine runs its preStop hook/,
  )
})

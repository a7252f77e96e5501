import type { Container } from 'kubernetes-types/core/v1.d.ts'
import t from 'tap'
import { runPreStop } from '../../../local/pods/pre-stop.ts'
import { waitFor } from '../../helpers/wait.ts'

const pod = {
  name: 'pod',
  namespace: 'default',
  ip: '127.0.0.1',
  membersFile: '',
  port: (port: number) => port,
  entry: undefined,
}
const LATER_MS = 3_600_000
const FOR_EVER = 'console.log("runs"); setInterval(() => {}, 1000)'

const container = (preStop?: object): Container => ({
  name: 'app',
  image: 'ws-operator-example-chat',
  env: [{ name: 'GIVEN', value: 'this' }],
  ...(preStop && { lifecycle: { preStop } }),
})
const program = (text: string) => container({ exec: { command: ['node', '-e', text] } })

/** Runs a hook with this long until the end of the grace period, and tells its lines. */
function run(of: Container, graceMs = LATER_MS) {
  const lines: string[] = []
  const controller = new AbortController()
  const deadline = Date.now() + graceMs
  const ended = runPreStop(of, pod, { onLine: line => lines.push(line), deadline, signal: controller.signal })
  return { lines, ended, abort: () => controller.abort() }
}

t.test('a hook runs in the environment of its container, and ends well', async t => {
  const { ended, lines } = run(program('console.log(process.env.GIVEN)'))
  t.equal(await ended, undefined)
  t.strictSame(lines, ['this'])
})

t.test('a container without a hook is done at once', async t => {
  t.equal(await run(container()).ended, undefined)
})

t.test('a hook that fails is told, with what it said last', async t => {
  t.equal(
    await run(program('console.error("no such pod"); process.exit(3)')).ended,
    'the preStop hook of app ended with exit code 3, saying: no such pod',
  )
  t.equal(await run(program('process.exit(1)')).ended, 'the preStop hook of app ended with exit code 1')
})

t.test('a hook that is not done at the end of the grace period is ended, and told', async t => {
  const message = 'the preStop hook of app was not done at the end of the grace period'
  t.equal(await run(program(FOR_EVER), 300).ended, message)
  t.equal(await run(program(FOR_EVER), -1).ended, message, 'the period is over already')
})

t.test('a pause is no longer than the grace period', async t => {
  // A pause alone keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  t.equal(await run(container({ sleep: { seconds: 3600 } }), 10).ended, undefined)
})

t.test('the signal ends a hook or a pause without a word, and lets none begin', async t => {
  const hook = run(program(FOR_EVER))
  await waitFor(() => hook.lines.length > 0, 'the hook runs', 60_000)
  hook.abort()
  t.equal(await hook.ended, undefined)
  const paused = run(container({ sleep: { seconds: 3600 } }))
  paused.abort()
  t.equal(await paused.ended, undefined)
  const signal = AbortSignal.abort()
  const lines: string[] = []
  const options = { onLine: (line: string) => lines.push(line), deadline: Date.now() + LATER_MS, signal }
  t.equal(await runPreStop(program('console.log("runs")'), pod, options), undefined)
  t.strictSame(lines, [])
})

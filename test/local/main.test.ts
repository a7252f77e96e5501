import t from 'tap'
import { endsWith, runDemo } from './helper.ts'

// Ten processes have to start, on machines that are busy.
t.setTimeout(180_000)

t.test('--help says what there is, an unknown argument is an error', async t => {
  const help = runDemo(t, '--help')
  await endsWith(t, help, 0)
  t.match(help.output(), '--once')
  const unknown = runDemo(t, '--twice')
  await endsWith(t, unknown, 2)
  t.match(unknown.output(), /demo: .*--twice[\s\S]*npm run demo/)
})

t.test('--once plays the scenario and says what it saw', async t => {
  const demo = runDemo(t, '--once')
  await endsWith(t, demo, 0)
  const text = demo.output()
  for (const expected of [
    /POST \/decorator\/sync\n\s+Pending: /,
    /Injected again, and nothing left to change/,
    /pod template now: sidecars websocket-proxy; containers chat/,
    /also made: Service chat-ws-proxy-headless, WebSocketBalancer chat/,
    /POST \/composite\/sync\n/,
    /Deployment, Service, PodDisruptionBudget, all named chat-balancer/,
    /there are users on all 3 pods/,
    /ok +12 of 12 messages arrived, \d+ of them from one pod to another/,
    /Scale up to 4 pods/,
    /the balancer moves them behind their open connections/,
    /Restart all pods, one after the other, while everybody writes/,
    /Kill pod chat-\w+ \(SIGKILL/,
    / is on chat-\w+ now/,
    /Scale down to 3 pods/,
    /\d+ ok, 0 failed/,
    /nothing runs any more/,
  ]) {
    t.match(text, expected)
  }
  t.equal(
    text.split('users kept their connections, each on their own pod').length - 1,
    4,
    'after each of the four changes',
  )
  t.notMatch(text, 'FAILED')
  const drained = text.match(/preStop of websocket-proxy: .*/g) ?? []
  t.equal(drained.length, 5, 'four pods were restarted, one was taken away')
  for (const line of drained) t.match(line, / connections were handed over, 0 had to be closed/)
})

import t from 'tap'
import { createConsole } from '../../../local/console.ts'
import { podText, trafficText } from '../../../local/page/event-text.ts'
import type { Pod } from '../../../local/pods/pod.ts'

const pod = (fields: object) => ({ name: 'chat-abcde', facts: { ip: '127.0.0.11' }, member: 'm', ...fields }) as Pod

t.test('traffic in words', async t => {
  const routed = { kind: 'routed', from: 'A', to: 'B', fromPod: 'p', toPod: 'q', outcome: 'delivered' } as const
  t.equal(trafficText(routed).text, 'message from A to B went from p to q, delivered')
  t.equal(trafficText({ ...routed, toPod: 'p' }).text, 'message from A to B stayed on p, delivered')
  t.match(trafficText({ ...routed, outcome: 'offline' }), { tone: 'bad', text: 'not delivered' })
  t.match(trafficText({ ...routed, outcome: 'timeout', from: '' }), { text: 'message from somebody to B' })
  t.match(trafficText({ kind: 'connected', user: 'A', pod: 'p' }), { tone: 'good', text: 'A is connected to p' })
  const ended = { kind: 'disconnected', user: 'A', code: 1012, cause: 'shutdown' } as const
  t.match(trafficText(ended), {
    tone: 'bad',
    text: "A's connection was closed with 1012, service restart, by the balancer, which ends",
  })
  t.match(trafficText({ ...ended, code: 4000, cause: 'client' }), {
    tone: 'plain',
    text: 'closed with 4000, by the client',
  })
})

t.test('pods in words', async t => {
  t.match(podText(pod({ state: 'starting' })).text, 'starting on 127.0.0.11')
  t.match(podText(pod({ state: 'ready' })), { tone: 'good' })
  t.match(podText(pod({ state: 'draining' })).text, 'hands its users over, then the app ends')
  t.equal(podText(pod({ state: 'draining', member: undefined })).text, 'pod chat-abcde ends')
  t.match(podText(pod({ state: 'gone' })), { tone: 'plain', text: 'is gone' })
  t.match(podText(pod({ state: 'gone', problem: 'no memory' })), { tone: 'bad', text: 'failed: no memory' })
})

t.test('what users write cannot move the cursor of a terminal', async t => {
  const lines: string[] = []
  createConsole(line => lines.push(line)).event('\u001b[2Jgone')
  t.notMatch(lines[0], '\u001b')
  t.match(lines[0], 'gone')
})

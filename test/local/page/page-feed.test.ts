import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import type { Demo, DemoListener } from '../../../local/demo.ts'
import { PageFeed } from '../../../local/page/page-feed.ts'
import type { Pod } from '../../../local/pods/pod.ts'
import { Traffic } from '../../../local/scenario/traffic.ts'
import { waitFor } from '../../helpers/wait.ts'

interface Sent {
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: any JSON
  readonly data: any
}

/** A response that keeps the events written to it. */
class Page extends EventEmitter {
  readonly writableLength = 0
  readonly sent: Sent[] = []
  ended = false
  writeHead() {}
  write(text: string) {
    const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)\n\n$/.exec(text) ?? []
    this.sent.push({ event, data: JSON.parse(data) })
  }
  end() {
    this.ended = true
  }
  of(event: string) {
    return this.sent.filter(sent => sent.event === event).map(({ data }) => data)
  }
}

function start(t: Test) {
  const listeners = new Set<DemoListener>()
  const pod = { name: 'chat-abcde', facts: { ip: '127.0.0.11' }, state: 'ready', member: '127.0.0.11:3000' }
  const demo = {
    chat: { busy: undefined, replicas: 1, pods: [pod], ready: [pod] },
    url: 'ws://127.0.0.1:8080',
    members: [pod.member],
    traffic: new Traffic(),
    podOf: () => pod,
    listen(listener: DemoListener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const feed = new PageFeed(demo as unknown as Demo, ['Alice'])
  t.teardown(() => feed.close())
  const open = () => {
    const page = new Page()
    feed.addPage(page as unknown as ServerResponse)
    return page
  }
  return { feed, open, pod, demo, listeners, listener: [...listeners][0]! }
}

const ROUTED = { kind: 'routed', from: 'Alice', to: 'Bob', fromPod: 'p', toPod: 'q', outcome: 'delivered' } as const

t.test('a page gets the state and the lines so far, before anything else', async t => {
  const { feed, open } = start(t)
  feed.addLine({ text: 'later', tone: 'bad' })
  const { sent } = open()
  t.strictSame(
    sent.map(({ event }) => event),
    ['state', 'lines'],
  )
  t.match(sent[0]?.data, { chatters: ['Alice'], pods: [{ name: 'chat-abcde', ip: '127.0.0.11', state: 'ready' }] })
  t.match(sent[1]?.data, [
    { text: '1 pods are ready; users connect to ws://127.0.0.1:8080', tone: 'good', time: Number },
    { text: 'later', tone: 'bad', time: Number },
  ])
})

t.test('a line goes to every page; only the latest 200 are kept for those that come', async t => {
  const { feed, open } = start(t)
  const pages = [open(), open()]
  for (let n = 1; n <= 250; n++) feed.addLine({ text: `line ${n}`, tone: 'plain' })
  for (const page of pages) t.equal(page.of('line').length, 250)
  const [lines] = open().of('lines')
  t.equal(lines.length, 200)
  t.equal(lines[0].text, 'line 51')
  t.equal(lines.at(-1).text, 'line 250')
})

t.test('what happens is a line; a message on its way is an event of its own too', async t => {
  const { open, listener, pod } = start(t)
  const page = open()
  listener.podChanged(pod as Pod)
  listener.traffic({ kind: 'connected', user: 'Alice', pod: 'chat-abcde' })
  t.strictSame(
    page.of('line').map(({ text }) => text),
    ['pod chat-abcde is ready', 'Alice is connected to chat-abcde'],
  )
  t.strictSame(page.of('message'), [])
  listener.traffic(ROUTED)
  t.match(page.of('line').at(-1), { text: 'message from Alice to Bob went from p to q, delivered' })
  t.strictSame(page.of('message'), [ROUTED])
})

t.test('changes that come together are one state, the last one', async t => {
  const { open, listener, demo } = start(t)
  const page = open()
  for (const replicas of [2, 3, 4, 5]) {
    demo.chat.replicas = replicas
    listener.changed()
  }
  t.equal(page.of('state').length, 1, 'not at once')
  await waitFor(() => page.of('state').length > 1, 'the state comes')
  t.equal(page.of('state').length, 2)
  t.equal(page.of('state')[1].canScaleUp, false, 'with five pods')
  listener.changed()
  await waitFor(() => page.of('state').length > 2, 'the next change is told as well')
})

t.test('at its end it listens no more and ends the pages', async t => {
  const { feed, open, listener, listeners } = start(t)
  const page = open()
  listener.changed()
  feed.close()
  t.equal(listeners.size, 0)
  t.ok(page.ended)
  t.notOk(process.getActiveResourcesInfo().includes('Timeout'), 'no state is still to come')
})
